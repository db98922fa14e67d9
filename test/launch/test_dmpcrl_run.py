# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""dmpcrl run where launch is installed: how it ends."""

import os
import signal

import pytest
from ros_system import PATIENCE, leftovers, recorded_steps, wait_for
from terminal import DMPCRL, node_pid

from dmpcrl_ros.recording.run_reader import load_run

RUN = ('run', 'chain', '--no-figures', '--no-baseline', '--output')


@pytest.fixture
def start(tools, tmp_path):
    """Starts a run; returns when it has recorded three steps."""

    def started(*options):
        command = tools.start(*DMPCRL, *RUN, tmp_path / 'run', *options)
        wait_for(
            lambda: recorded_steps(tmp_path / 'run') > 2 or command.process.poll() is not None,
            PATIENCE,
            'recorded steps',
        )
        assert command.process.poll() is None, command.text
        return command

    return started


def gone():
    return not leftovers()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_interrupts_it_and_keeps_what_was_recorded(start, tmp_path, number):
    command = start('--agents-per-process', 3, '--steps', 1000000)
    command.signal(number)
    code, text = command.end()
    assert code == 130 and 'interrupted; what was recorded so far is in' in text, text
    assert 'Traceback' not in text and 'ended early' not in text, text
    wait_for(gone, PATIENCE, 'processes to be gone')
    assert len(load_run(tmp_path / 'run').steps) > 2


def test_when_it_is_killed_its_nodes_end(start):
    command = start('--agents-per-process', 3, '--steps', 1000000)
    assert len(leftovers()) > 3
    command.signal(signal.SIGKILL)
    wait_for(gone, PATIENCE, 'processes to be gone')


def test_a_run_is_complete_although_an_agent_was_killed_and_started_again(start, tmp_path):
    command = start('--respawn', '--steps', 60, '--real-time', '--period', 0.1)
    killed = node_pid('agent_2')
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: node_pid('agent_2') not in (None, killed), PATIENCE, 'the agent to come back')
    code, text = command.end()
    assert code == 0, text
    assert gone() and len(load_run(tmp_path / 'run').steps) == 60
