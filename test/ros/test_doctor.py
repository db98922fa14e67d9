# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`dmpcrl doctor` finds the causes of runs that do not work, and leaves no process behind."""

import pytest
from ros_system import PATIENCE, dmpcrl, interrupt, leftovers, start_dmpcrl, wait_for

pytest.importorskip('rclpy')


def test_messages_go_round_between_two_processes(domain):
    done = dmpcrl('doctor')
    assert done.returncode == 0 and 'round trip between two processes: median' in done.stdout, done.stdout + done.stderr
    assert not leftovers()


def test_processes_that_cannot_find_one_another_are_noticed(domain, monkeypatch):
    """Without discovery two nodes of one process still receive messages of each other."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'OFF')
    done = dmpcrl('doctor')
    text = ' '.join(done.stdout.split())
    assert done.returncode == 1 and 'two processes did not receive messages of each other' in text, (
        done.stdout + done.stderr
    )
    assert not leftovers()


def test_an_interrupted_doctor_leaves_nobody(domain, monkeypatch):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'OFF')
    process = start_dmpcrl('doctor')
    wait_for(lambda: len(leftovers()) == 3, PATIENCE, 'command, caller and answerer to run')
    interrupt(process)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0 and 'Traceback' not in text, text
    wait_for(lambda: not leftovers(), PATIENCE, 'the processes to be gone')


@pytest.mark.parametrize('number', ['abc', '-1', '233', '1.5', '12abc'])
@pytest.mark.parametrize('arguments', [['run', 'chain', '--steps', 2], ['doctor']], ids=['run', 'doctor'])
def test_a_domain_that_is_none_is_named_in_one_line(tmp_path, domain, monkeypatch, arguments, number):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('ROS_DOMAIN_ID', number)
    done = dmpcrl(*arguments)
    assert done.returncode == 1
    assert done.stderr == f"Error: ROS_DOMAIN_ID must be a whole number from 0 to 232, not '{number}'\n"
