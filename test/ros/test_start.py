# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Ctrl-C while an executable still imports ends it at once and without a word."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ros_system import PATIENCE, interrupt

pytest.importorskip('rclpy')

from ament_index_python.packages import get_package_prefix  # noqa: E402

SLOW = 'import time\nprint("importing", flush=True)\ntime.sleep(600)\n'


def script(name):
    return [sys.executable, str(Path(get_package_prefix('dmpcrl_ros'), 'lib', 'dmpcrl_ros', name))]


@pytest.fixture
def start(tmp_path, domain, monkeypatch):
    """Starts a process that stays in the import of a module until it is interrupted."""

    def started(command, slow, **options):
        (tmp_path / f'{slow}.py').write_text(SLOW)
        monkeypatch.setenv('PYTHONPATH', str(tmp_path), prepend=os.pathsep)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        processes.append(process)
        assert process.stdout.readline() == 'importing\n'
        return process

    processes = []
    yield started
    for process in processes:
        with process:
            process.kill()


@pytest.mark.parametrize(
    ('name', 'slow'),
    [
        ('dmpcrl', 'click'),
        ('dmpcrl_agent', 'rclpy'),
        ('dmpcrl_plant', 'rclpy'),
        ('dmpcrl_monitor', 'rclpy'),
        (None, 'click'),
    ],
)
def test_an_interrupted_import_is_silent(start, name, slow):
    process = start(script(name) if name else [sys.executable, '-P', '-m', 'dmpcrl_ros.cli', 'doctor'], slow)
    interrupt(process)
    text, _ = process.communicate(timeout=PATIENCE)
    assert (text, process.returncode) == ('', -signal.SIGINT)


def test_who_starts_an_executable_deaf_to_ctrl_c_has_it_so(start):
    """As a shell does with background processes."""
    process = start(script('dmpcrl_plant'), 'rclpy', preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    interrupt(process)
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGTERM
