# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Two systems in one ROS domain: in two namespaces they do not notice each other, in one the later one is refused."""

import numpy as np
import pytest
from ros_system import PATIENCE, dmpcrl, interrupt, recorded_steps, start_dmpcrl, wait_for

pytest.importorskip('rclpy')

from dmpcrl_ros.recording.run_reader import load_run  # noqa: E402


def arguments(seed, steps, output):
    return ['chain', '--steps', steps, '--seed', seed, '--no-figures', '--no-baseline', '--output', output]


def check_numbers(output, seed, alone):
    """Compare with the run without ROS, up to a step that agents gave up; the next ones differ.

    Agents give up a step when they are interrupted, or when an instance that is not yet refused has taken part in it.
    Where only some of them have it, the next one is void, too.
    """
    run = load_run(output)
    void = {step: fault for step, fault in enumerate(run.faults) if fault}
    assert len(void) <= 2 and max(void, default=0) - min(void, default=0) < 2, void
    whole = min(void, default=len(run.steps))
    assert dmpcrl('train', *arguments(seed, len(run.steps), alone)).returncode == 0
    reference = load_run(alone)
    for name in ('states', 'actions'):
        assert np.array_equal(getattr(run, name)[:whole], getattr(reference, name)[:whole]), name
    ended = max(whole - 1, 0) if void else whole  # transitions that ended in a step that was not given up
    assert np.array_equal(run.metrics['td_error'][:ended], reference.metrics['td_error'][:ended], equal_nan=True)
    return void


@pytest.fixture
def start(domain):
    """Starts runs that end with the test."""

    def started(*run, namespace=''):
        processes.append(start_dmpcrl('run', *arguments(*run), '--round-timeout', 20, '--namespace', namespace))
        return processes[-1]

    processes = []
    yield started
    for process in processes:
        with process:
            process.kill()


def test_in_two_namespaces_each_is_as_if_it_were_alone(tmp_path, start):
    runs = {5: tmp_path / 'five', 6: tmp_path / 'six'}
    processes = [start(seed, 20, output, namespace=f'fleet_{seed}') for seed, output in runs.items()]
    texts = [process.communicate(timeout=2 * PATIENCE)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], texts
    for seed, output in runs.items():
        assert not check_numbers(output, seed, tmp_path / f'alone_{seed}')


def test_in_one_namespace_the_later_one_is_refused_and_the_first_goes_on(tmp_path, start):
    first = start(5, 100000, tmp_path / 'first', namespace='/fleet/')
    wait_for(lambda: recorded_steps(tmp_path / 'first') > 2, PATIENCE, 'the first steps')
    second = start(5, 100000, tmp_path / 'second', namespace='fleet')
    text = ' '.join(second.communicate(timeout=2 * PATIENCE)[0].split())
    assert second.returncode == 1 and 'Traceback' not in text, text
    assert 'in the namespace /fleet: end it, or start this system in another namespace' in text
    before = recorded_steps(tmp_path / 'first')
    wait_for(lambda: recorded_steps(tmp_path / 'first') > before + 2, PATIENCE, 'further steps')
    interrupt(first)
    text, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130, text
    check_numbers(tmp_path / 'first', 5, tmp_path / 'alone')
