# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Fixtures that the tests of all rooms share."""

import fcntl
import itertools
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from ros_system import leftovers, wait_for

_DOMAINS = itertools.cycle(range(1, 100))  # from 102 on the ports of DDS are those that the system gives to anybody


@contextmanager
def _own_domain():
    """A ROS domain that no test of any process on this machine has at the same time: its number."""
    for _ in range(os.getpid() % 99):  # where other processes are not likely to begin
        next(_DOMAINS)
    for number in itertools.islice(_DOMAINS, 99):
        with open(Path(tempfile.gettempdir(), f'dmpcrl_test_domain_{number}.lock'), 'w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    pytest.fail('all ROS domains are taken by other tests')


@pytest.fixture
def domain(monkeypatch):
    """A ROS domain of this test's own; after it, no process may be left there."""
    with _own_domain() as number:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
        monkeypatch.setenv('DMPCRL_TEST', f'{os.getpid()}-{number}')
        yield number
        wait_for(lambda: not leftovers(), 10.0, 'processes to be gone')


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package of somebody else on the path, as pip would: its module and the entry points that it declares; for
    this process and those that it starts."""

    def installed(name, entry_points, code):
        """`entry_points`: for each group, places ('module:attribute') by the names they are registered under."""
        folder = tmp_path / name
        metadata = folder / f'{name}-1.0.dist-info'
        metadata.mkdir(parents=True)
        metadata.joinpath('METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
        metadata.joinpath('entry_points.txt').write_text(
            ''.join(
                f'[{group}]\n' + ''.join(f'{key} = {place}\n' for key, place in entries.items())
                for group, entries in entry_points.items()
            )
        )
        folder.joinpath(f'{name}.py').write_text(code)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv('PYTHONPATH', str(folder), prepend=os.pathsep)

    return installed
