# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""What this machine has for building the package, and one line for each thing that it lacks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

SUITABLE = ((3, 11), (3, 12))
PYTHON_NAMES = ('python3', 'python3.12', 'python3.11')


class SetupError(Exception):
    """A message that says what the user has to do."""


def output_of(*command):
    """Output of a command, or None if it does not run."""
    try:
        return subprocess.run(
            command,
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def sourced_ros(own):
    """Name and prefix of the ROS 2 that this terminal has sourced, or None; wheels in `own` are not meant."""
    name = os.environ.get('ROS_DISTRO')
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if name and prefix not in ('', str(own)) and (Path(prefix) / 'share/rclpy/package.xml').is_file():
            return name, prefix
    return None


def cmake():
    """The system's CMake, unless it is too old for this package."""
    version = re.search(r'(\d+)\.(\d+)', output_of('cmake', '--version') or '')
    return 'cmake' if version and tuple(map(int, version.groups())) >= (3, 22) else None


def describe(python, probe=''):
    """Base executable and version of a Python if it runs (a shim may not) and the probe succeeds."""
    code = (
        'import sys; base = getattr(sys, "_base_executable", sys.executable);'
        'print(base, *sys.version_info[:2], sep="\\n");'
    )
    executable, *version = (output_of(python, '-c', code + probe) or '\n').splitlines()
    return (executable, tuple(map(int, version))) if executable else None


def pythons(ros):
    """Every Python on the PATH, those named python3 first, then those of pyenv, the newest first."""
    for name in PYTHON_NAMES:
        for folder in os.get_exec_path():
            if os.access(os.path.join(folder, name), os.X_OK):
                yield os.path.join(folder, name)
    root = None if ros else output_of('pyenv', 'root')
    for major, minor in reversed(SUITABLE) if root else ():
        installed = Path(root.strip()).glob(f'versions/{major}.{minor}*/bin/python3')
        yield from map(str, sorted(installed, reverse=True))


def find_python(wanted, suitable, ros):
    """The base interpreter to use, as (executable, version), and what to say if there is none."""
    names = ' or '.join('Python {}.{}'.format(*version) for version in suitable)
    if wanted:
        found = describe(shutil.which(wanted) or wanted)
        problem = 'is Python {}.{}'.format(*found[1]) if found else 'does not run'
        fits = found and found[1] in suitable
        return (found, '') if fits else (None, f'{names}: PYTHON={wanted} {problem}')
    others = set()
    for candidate in pythons(ros):
        found = describe(candidate, 'import rclpy' if ros else '')
        if found and found[1] in suitable:
            return found, ''
        if found:
            others.add('{}.{}'.format(*found[1]))
    if ros:
        return None, f'{names} that can import rclpy of the sourced ROS 2 {ros[0]} (in {ros[1]})'
    newest = 'python{}.{}'.format(*suitable[-1])
    seen = f' (found: {", ".join(sorted(others))})' if others else ''
    return None, (
        f'{names}{seen}: sudo apt install {newest} {newest}-venv {newest}-dev, '
        f'or name one: make PYTHON=/path/to/{newest} ...'
    )


def missing_compilers():
    """Names of the tools that compiling the messages lacks."""

    def lacks(variable, *names):
        return not any(map(shutil.which, filter(None, [os.environ.get(variable), *names])))

    if lacks('CXX', 'c++', 'g++', 'clang++') or lacks('CC', 'cc', 'gcc', 'clang'):
        yield 'a C and C++ compiler: sudo apt install g++'
    if lacks('', 'ninja', 'make', 'gmake'):
        yield 'a build tool for CMake: sudo apt install ninja-build'


def missing_parts(python, version):
    """Parts that a Python lacks for making environments and compiling against it."""
    package = 'python{}.{}'.format(*version)
    headers = output_of(python, '-c', 'import sysconfig; print(sysconfig.get_path("include"))') or ''
    if not (Path(headers.strip()) / 'Python.h').is_file():
        yield f'the headers of {python} (Python.h): sudo apt install {package}-dev'
    if output_of(python, '-c', 'import venv, ensurepip') is None:
        yield f'the venv module of {python}: sudo apt install {package}-venv'


def missing_platform(ros):
    """The wheels of ROS 2 exist for one platform only."""
    here = f'{platform.system()} {platform.machine()}'
    if not ros and here != 'Linux x86_64':
        yield (
            f'ROS 2: its wheels are for Linux x86-64 and this is {here}. Install ROS 2 Jazzy and source its setup.bash'
        )


def choose_python(wanted, suitable, ros):
    """The Python for the environment; whatever is missing on this machine is named at once."""
    found, problem = find_python(wanted, suitable, ros)
    lines = [*missing_platform(ros), *missing_compilers(), *(missing_parts(*found) if found else [problem])]
    if lines:
        raise SetupError('\n  - '.join(['cannot set up dmpcrl_ros, missing here:', *lines]))
    return found[0]
