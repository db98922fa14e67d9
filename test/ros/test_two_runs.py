"""Two systems in one ROS domain: one runs as if it were alone, the other reports the conflict."""

import numpy as np
import pytest
from ros_system import PATIENCE, dmpcrl, interrupt, recorded_steps, start_dmpcrl, wait_for

pytest.importorskip('rclpy')

from dmpcrl_ros.recording.recorded_run import load_run  # noqa: E402


def arguments(seed, steps, output):
    return ['chain', '--steps', steps, '--seed', seed, '--no-figures', '--no-baseline', '--output', output]


def check_numbers(output, seed, alone):
    """Compare with the run without ROS, up to the first round that was lost while the other run was there, if any."""
    run = load_run(output)
    assert dmpcrl('train', *arguments(seed, len(run.steps), alone)).returncode == 0
    void = np.flatnonzero(np.isnan(run.metrics['td_error']))
    sound = int(void[0]) if void.size else len(run.steps)
    reference = load_run(alone)
    assert np.array_equal(run.states[:sound], reference.states[:sound])
    assert np.array_equal(run.actions[:sound], reference.actions[:sound])
    assert np.array_equal(run.metrics['td_error'][:sound], reference.metrics['td_error'][:sound])


def check_refusal(process, text, domain):
    told = ' '.join(text.split())
    assert process.returncode == 1 and 'Traceback' not in told, text
    assert f'running before in ROS domain {domain}: choose another ROS_DOMAIN_ID' in told, text


@pytest.fixture
def start(domain):
    """Starts runs that end with the test."""

    def started(*run):
        processes.append(start_dmpcrl('run', *arguments(*run)))
        return processes[-1]

    processes = []
    yield started
    for process in processes:
        with process:
            process.kill()


def test_of_two_runs_that_start_together_each_is_right_or_refused(tmp_path, start, domain):
    runs = {5: tmp_path / 'five', 6: tmp_path / 'six'}
    processes = {seed: start(seed, 20, output) for seed, output in runs.items()}
    texts = {seed: process.communicate(timeout=PATIENCE)[0] for seed, process in processes.items()}
    assert any(process.returncode == 0 for process in processes.values()), texts
    for seed, process in processes.items():
        if process.returncode:
            check_refusal(process, texts[seed], domain)
        else:
            check_numbers(runs[seed], seed, tmp_path / f'alone_{seed}')


def test_a_run_that_comes_later_is_refused_and_the_first_goes_on(tmp_path, start, domain):
    first = start(5, 100000, tmp_path / 'first')
    wait_for(lambda: recorded_steps(tmp_path / 'first') > 2, PATIENCE, 'the first steps')
    second = start(6, 100000, tmp_path / 'second')
    text, _ = second.communicate(timeout=PATIENCE)
    check_refusal(second, text, domain)
    before = recorded_steps(tmp_path / 'first')
    wait_for(lambda: recorded_steps(tmp_path / 'first') > before + 2, PATIENCE, 'further steps')
    interrupt(first)
    text, _ = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130, text
    check_numbers(tmp_path / 'first', 5, tmp_path / 'alone')
