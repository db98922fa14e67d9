# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Report of installed and missing packages and of a message round trip."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dmpcrl_ros.bringup import check_domain, isolation

_NEEDED = (
    *('numpy', 'scipy', 'casadi', 'daqp', 'matplotlib'),
    *('click', 'cloup', 'rich', 'jsonschema', 'PyYAML', 'ruamel.yaml'),
)
_ROS = (
    ('rclpy', 'ROS 2 itself: nodes'),
    ('std_srvs', 'the services of the plant'),
    ('rosgraph_msgs', '/clock'),
    ('dmpcrl_ros.msg', "this package's messages: build it with make or colcon"),
)
_OPTIONAL = (('launch_ros', 'ros2 launch; without it `dmpcrl run` starts the nodes itself'),)
_MISSING = Text('missing', style='red')
_ROUND_TRIP_LIMIT, _END_LIMIT = 40.0, 5.0  # s
_HINT = 'is multicast or shared memory blocked, or discovery switched off (ROS_AUTOMATIC_DISCOVERY_RANGE)?'


def examine(console: Console) -> bool:
    """Print the findings, and return whether a run over ROS 2 is possible."""
    table = Table(
        title=f'Python {platform.python_version()} on {platform.system()}, '
        f'ROS_DISTRO={os.environ.get("ROS_DISTRO", "not set")}',
        title_justify='left',
    )
    for column in ('what', 'found', 'for'):
        table.add_column(column)
    missing = []
    for name in _NEEDED:
        found = _version(name)
        table.add_row(name, found or _MISSING, '')
        missing += [] if found else [name]
    for name, purpose in (*_ROS, *_OPTIONAL):
        present = _importable(name)
        optional = (name, purpose) in _OPTIONAL
        table.add_row(name, 'yes' if present else ('no' if optional else _MISSING), purpose)
        missing += [] if present or optional else [name]
    console.print(table)
    if missing:
        console.print(f'missing: {", ".join(missing)}. `make setup` installs them on a machine without ROS 2.')
        return False
    return _round_trip(console)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'yes' if find_spec(name.lower().replace('pyyaml', 'yaml')) else ''


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _round_trip(console: Console) -> bool:
    """Print the round trip between two processes, and return whether it succeeded.

    The processes have the environment of `dmpcrl run`.
    """
    check_domain()
    command = [sys.executable, '-P', '-m', 'dmpcrl_ros.transport.round_trip']
    environment, name = {**os.environ, **isolation()}, f'doctor_{os.getpid()}'
    answerer = subprocess.Popen(
        [*command, 'answer', name],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        done = subprocess.run(
            [*command, 'call', name],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_ROUND_TRIP_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        console.print(f'no message round trip within {_ROUND_TRIP_LIMIT:g} s: {_HINT}', style='red')
        return False
    finally:
        _end(answerer)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ['without a word'])[-1]
        console.print(f'no message round trip: {reason}: {_HINT}', style='red')
        return False
    found = json.loads(done.stdout.splitlines()[-1])  # the middleware may print, too
    console.print(
        f'message round trip between two processes: median {found["median_ms"]:.2f} ms, '
        f'95 % below {found["p95_ms"]:.2f} ms ({found["messages"]} messages)'
    )
    return True


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(_END_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
