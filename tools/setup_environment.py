#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Makes, repairs and updates the environment in which this package runs; `make` calls it.

With ROS 2 sourced, the environment is laid over that ROS 2; without, ROS 2 comes as wheels.
Nothing changed: nothing is done. Sources changed: the package is installed again. Anything else
changed, was interrupted or is damaged: the environment is made afresh.
Standard library only, Python 3.8 or newer: it runs before the right Python is known.
"""

from __future__ import annotations

import argparse
import configparser
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import machine
import ros2_tools
from machine import SetupError

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / 'tools'
REQUIREMENTS = ROOT / 'requirements'
SOURCES = ('dmpcrl_ros', 'msg', 'launch', 'config', 'cmake', 'CMakeLists.txt', 'package.xml', 'setup.cfg')
# What one environment's Python sets for its children must not reach another environment.
FOREIGN = ('_ROS_WHEELS_BOOTSTRAP_COMPLETE', 'PYTHONHOME', 'PYTHONSAFEPATH', 'VIRTUAL_ENV')
ROS_VARIABLES = ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH', 'PYTHONPATH', 'LD_LIBRARY_PATH')


def say(text):
    """Print one line of progress."""
    print(f'setup: {text}', flush=True)


def digest(paths, *words):
    """Fingerprint of files (path and content) and words."""
    total = hashlib.sha256('\0'.join(words).encode())
    for path in paths:
        total.update(f'{path}\0'.encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def source_files():
    """Every file that the package is built from."""
    for name in SOURCES:
        path = ROOT / name
        found = sorted(path.rglob('*')) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and '__pycache__' not in file.parts)


def normal(name):
    """A distribution's name in the one spelling by which names are compared."""
    return re.sub('[-_.]+', '-', name).lower()


def pins(files):
    """The lines name==version of requirement files, in normal form."""
    for file in files:
        for line in file.read_text().splitlines():
            if line and not line.startswith('#'):
                name, version = line.split('==')
                yield f'{normal(name)}=={version}'


def installed_pins(site):
    """name==version of each distribution that is completely installed in a site-packages folder."""
    for folder in site.glob('*.dist-info'):
        name, _, version = folder.name[: -len('.dist-info')].partition('-')
        if (folder / 'RECORD').is_file():
            yield f'{normal(name)}=={version}'


class Environment:
    """A virtual environment: what it is made from and what was last put into it."""

    def __init__(self, path, versions, wanted):
        self.path = path
        self.ros = machine.sourced_ros(path)
        self.wanted = wanted
        self.suitable = machine.SUITABLE[-1:] if versions == 'jazzy' else machine.SUITABLE
        self.files = [
            REQUIREMENTS / ('jazzy.txt' if self.ros or versions == 'jazzy' else 'python.txt'),
            REQUIREMENTS / 'dev.txt',
        ]
        if not self.ros:
            self.files.insert(0, REQUIREMENTS / 'ros.txt')
        self.python = path / 'bin' / 'python'
        self.stamp = path / 'setup.json'
        self.build = path / 'package-build'
        self.log = path / 'package-build.log'
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = path.with_name(path.name + '.lock').open('w')
        self.fingerprint = digest(
            [*self.files, *sorted(TOOLS.glob('*.py')), REQUIREMENTS / 'build.txt'], str(path), *(self.ros or ())
        )

    def update(self):
        """Bring everything up to date, one process at a time."""
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('waiting for another set-up of the same environment')
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        if not self.is_whole():
            self.make()
        if not self.package_is_whole():
            self.install_package()

    def add_physics(self):
        """Add what the simulators need; it brings dependencies of a viewer, without which they do."""
        there = set(installed_pins(self.site()))
        lacking = [pin for pin in pins([REQUIREMENTS / 'physics.txt']) if pin not in there]
        if lacking:
            say(f'adding {lacking[0]}')
            self.pip('--no-deps', *lacking)

    def add_ros2_tools(self, wheels):
        """Add what the tests of ros2 launch need, unless the sourced ROS 2 brings it."""
        if not self.ros and not ros2_tools.add(self, wheels, list(pins([REQUIREMENTS / 'launch.txt']))):
            say(f'no wheels of ros2 launch in {wheels}: its tests are skipped (make test ROS2_TOOLS=folder)')

    def recorded(self, what):
        """Record of the last complete set-up, or None."""
        try:
            return json.loads(self.stamp.read_text()).get(what)
        except (OSError, ValueError, AttributeError):
            return None

    def record(self, **what):
        """Record completed stages; a crash leaves the old record or the new one."""
        new = self.stamp.with_suffix('.new')
        new.write_text(json.dumps(what, indent=1))
        new.replace(self.stamp)

    def site(self):
        """The folder of the installed modules."""
        return next(self.path.glob('lib/python3.*/site-packages'), self.path / 'none')

    def run(self, *command, **options):
        """Run a command in the environment; it keeps the lock even if this process is killed."""
        unwanted = FOREIGN if self.ros else FOREIGN + ROS_VARIABLES
        variables = {name: value for name, value in os.environ.items() if name not in unwanted}
        variables['PATH'] = os.pathsep.join([str(self.path / 'bin'), *os.get_exec_path()])
        if not self.ros:
            variables.update(AMENT_PREFIX_PATH=str(self.path), CMAKE_PREFIX_PATH=str(self.path))
        return subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            pass_fds=[self.lock.fileno()],
            **options,
        )

    # Interpreter and dependencies

    def is_whole(self):
        """Complete, undamaged, and made from the present requirements with the wanted Python."""
        if self.recorded('environment') != self.fingerprint or not os.access(self.python, os.X_OK):
            return False
        if self.wanted:
            found, _ = machine.find_python(self.wanted, self.suitable, self.ros)
            if not found or found[0] != self.recorded('python'):
                return False
        if self.run(self.python, '-I', '-S', '-c', '', stderr=subprocess.DEVNULL).returncode:
            return False
        there = set(installed_pins(self.site()))
        needed = set() if self.ros else set(pins(self.files))
        return needed <= there and any(pin.startswith('pip==') for pin in there)

    def make(self):
        """Make the environment from nothing."""
        base = machine.choose_python(self.wanted, self.suitable, self.ros)
        origin = f'over the sourced ROS 2 {self.ros[0]}' if self.ros else 'ROS 2 from wheels'
        self.clear()
        say(f'making {self.path.name} with {base}, {origin}; this takes about a minute')
        options = ['--system-site-packages'] if self.ros else []
        if self.run(base, '-m', 'venv', *options, self.path).returncode:
            raise SetupError(f'{base} cannot make an environment; the reason stands above')
        # Everything is pinned: over the wheels, nothing is left to resolve.
        self.pip(*(self.lacking() if self.ros else ['--no-deps', *pins(self.files)]))
        if not machine.cmake():
            self.pip(*pins([REQUIREMENTS / 'build.txt']))
        if not self.ros:
            shutil.copy(TOOLS / 'ros_prefix.py', self.site() / '_ros_prefix.py')
            (self.site() / '_ros_prefix.pth').write_text('import _ros_prefix\n')
        self.record(environment=self.fingerprint, python=base)

    def clear(self):
        """Remove what an earlier set-up left, and nothing else."""
        ours = self.stamp.exists() or (self.path / 'pyvenv.cfg').exists()
        if self.path.exists() and not ours and any(self.path.iterdir()):
            raise SetupError(f'{self.path} is not a Python environment; move it away')
        old = self.path.with_name(self.path.name + '.old')
        shutil.rmtree(old, ignore_errors=True)
        if self.path.exists():
            self.path.rename(old)
            shutil.rmtree(old)
        self.path.mkdir()
        self.record()

    def lacking(self):
        """Requirements that the sourced ROS 2 and its Python do not bring: pins, and bounds for what they bring."""
        code = 'import importlib.metadata as m; print(*(d.metadata["Name"] for d in m.distributions()))'
        names = self.run(self.python, '-c', code, check=True, text=True, stdout=subprocess.PIPE).stdout
        there = set(map(normal, names.split()))
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        bounds = setup['options']['install_requires'].split()
        return [pin for pin in pins(self.files) if pin.split('==')[0] not in there] + bounds

    def pip(self, *arguments):
        """Install with pip, quietly."""
        command = [self.python, '-m', 'pip', '--disable-pip-version-check', '--no-input', '-qq', 'install']
        if self.run(*command, *arguments).returncode:
            raise SetupError('pip could not install the Python packages; the reason stands above')

    # This package

    def sources(self):
        """Fingerprint of what the package is built from."""
        return digest(source_files(), self.fingerprint)

    def installed_files(self):
        """Every file that the last installation wrote."""
        manifest = self.build / 'install_manifest.txt'
        return [Path(line) for line in manifest.read_text().splitlines()] if manifest.is_file() else []

    def package_is_whole(self):
        """Installed from the present sources, and every installed file is there."""
        files = self.installed_files()
        return self.recorded('package') == self.sources() and files and all(file.exists() for file in files)

    def install_package(self):
        """Build what changed, then install everything again."""
        say(f'installing dmpcrl_ros into {self.path.name}')
        sources, base = self.sources(), self.recorded('python')
        self.record(environment=self.fingerprint, python=base)
        if not ((self.build / 'complete').exists() and self.cmake('--build', self.build)):
            self.build_afresh()
        self.remove_package()
        self.must_cmake('--install', self.build)
        self.record(environment=self.fingerprint, python=base, package=sources)

    def build_afresh(self):
        """Configure and build in a new build folder."""
        say('compiling the messages')
        for tool in machine.missing_compilers():
            raise SetupError(f'cannot build dmpcrl_ros, missing here: {tool}')
        shutil.rmtree(self.build, ignore_errors=True)
        self.build.mkdir()
        generator = ['-G', 'Ninja'] if shutil.which('ninja') else []
        self.must_cmake(
            '-S',
            ROOT,
            '-B',
            self.build,
            *generator,
            f'-DCMAKE_INSTALL_PREFIX={self.path}',
            f'-DPython3_EXECUTABLE={self.python}',
            '-DBUILD_TESTING=OFF',
        )
        self.must_cmake('--build', self.build)
        (self.build / 'complete').touch()

    def remove_package(self):
        """Remove the installed package: a module that was renamed must not survive."""
        for file in self.installed_files():
            if file.exists():
                file.unlink()
        for folder in (self.site(), self.path / 'share', self.path / 'lib'):
            shutil.rmtree(folder / 'dmpcrl_ros', ignore_errors=True)

    def cmake(self, *arguments):
        """Run CMake, the system's or the environment's own; tell whether it succeeded."""
        cmake = machine.cmake() or self.path / 'bin' / 'cmake'
        with self.log.open('w') as log:
            return self.run(cmake, *arguments, stdout=log, stderr=subprocess.STDOUT).returncode == 0

    def must_cmake(self, *arguments):
        """Run CMake; on failure show the end of what it said."""
        if not self.cmake(*arguments):
            tail = '\n'.join(self.log.read_text(errors='replace').splitlines()[-40:])
            raise SetupError(f'building dmpcrl_ros failed (all of the output: {self.log})\n{tail}')


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--environment', default='.venv', help='folder of the environment')
    parser.add_argument('--python', help='Python to make it with')
    parser.add_argument(
        '--versions',
        choices=['current', 'jazzy'],
        default='current',
        help='of the Python packages: current ones, or those of the Ubuntu of ROS 2 Jazzy',
    )
    parser.add_argument('--physics', action='store_true', help='add MuJoCo, for the simulators')
    parser.add_argument('--ros2-tools', type=Path, help='folder of the wheels of ros2 launch, for its tests')
    return parser.parse_args()


def main():
    """Every expected failure is one message and exit status 1."""
    arguments = parse_arguments()
    try:
        environment = Environment(
            Path(os.path.abspath(ROOT / arguments.environment)), arguments.versions, arguments.python
        )
        environment.update()
        if arguments.physics:
            environment.add_physics()
        if arguments.ros2_tools:
            environment.add_ros2_tools(ROOT / arguments.ros2_tools)
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nsetup: interrupted; the next run completes it', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
