# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Many runs in parallel: recorded whole or not at all, and not run twice."""

import os
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from dmpcrl_ros.experiments import suite as module
from dmpcrl_ros.experiments.suite import ExperimentSuite, Job
from dmpcrl_ros.recording.recorded_loop import recorded
from dmpcrl_ros.recording.run_files import DIVERGED, RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.files import load_system

QUICK = Settings(steps=12, coordination='admm', admm__iterations=5, learning__exploration=False)
JOBS = [Job('one', QUICK), Job('two', QUICK.but(seed=2)), Job('central', QUICK, central=True)]


def test_runs_are_those_of_one_process_and_complete_ones_are_not_run_again(tmp_path):
    told = []
    ExperimentSuite(tmp_path, JOBS[:2]).run(2, told.append)
    assert told[-1] <= 24 and sorted(told) == told
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.lock', 'one', 'two']
    list(recorded(JOBS[1].settings, tmp_path / 'alone'))
    assert (tmp_path / 'alone' / 'steps.csv').read_bytes() == (tmp_path / 'two' / 'steps.csv').read_bytes()

    before = os.stat(tmp_path / 'one' / 'steps.csv').st_mtime_ns
    again = ExperimentSuite(tmp_path, JOBS)
    assert [job.name for job in again.missing] == ['central']
    again.run(2, told.append)
    assert os.stat(tmp_path / 'one' / 'steps.csv').st_mtime_ns == before
    assert {job.name: len(run.steps) for job, run in again.runs()} == {'one': 12, 'two': 12, 'central': 12}


def test_what_was_left_unfinished_is_run_afresh(tmp_path):
    steps = recorded(QUICK, tmp_path / '.unfinished-one')
    for _ in range(3):
        next(steps)
    steps.close()
    ExperimentSuite(tmp_path, JOBS[:1]).run(1, lambda steps: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.lock', 'one']
    assert len(load_run(tmp_path / 'one').steps) == 12


@pytest.mark.parametrize(
    'other, named',
    [
        (Job('one', QUICK.but(steps=13)), 'steps = 12, not 13'),
        (Job('one', QUICK.but(learn=False)), 'learn = True, not False'),
        (Job('one', QUICK.but(admm__rho=0.75)), 'admm.rho = auto, not 0.75'),
        (Job('one', QUICK.but(method='nominal_mpc')), '(method = q_learning, not nominal_mpc)'),
        (Job('one', QUICK.but(system='power_grid')), '(system = chain, not power_grid)'),
        (Job('one', QUICK, central=True), 'centralised or not'),
    ],
)
def test_a_complete_run_with_other_settings_is_refused_by_name(tmp_path, other, named):
    ExperimentSuite(tmp_path, JOBS[:1]).run(1, lambda steps: None)
    with pytest.raises(RunDirectoryError, match='one holds a run with other settings') as error:
        ExperimentSuite(tmp_path, [other])
    assert named in str(error.value)


def test_a_plant_that_is_lost_ends_its_run_and_not_the_suite(tmp_path):
    """A scalar plant of gain 1e30 leaves the range of numbers after about ten steps."""
    (tmp_path / 'wild.yaml').write_text(
        'name: wild\nmpc: {horizon: 1, discount: 0.9}\nagents:\n'
        '- {name: a, dynamics: {A: [[1.0e+30]], B: [[1.0]]}, model: {A: [[1.0]], B: [[1.0]]}, initial_state: [1.0],\n'
        '   bounds: {input: {lower: [-1.0], upper: [1.0]}}, cost: {state: [1.0], input: [1.0]}}\n'
    )
    load_system(tmp_path / 'wild.yaml')
    wild = Job('wild', Settings(system=str(tmp_path / 'wild.yaml'), steps=40, learn=False))
    suite = ExperimentSuite(tmp_path / 'runs', [wild, JOBS[0]])
    suite.run(1, lambda steps: None)
    assert 'diverged' in (tmp_path / 'runs' / 'wild' / DIVERGED).read_text()
    assert 0 < len(load_run(tmp_path / 'runs' / 'wild').steps) < 40
    assert not ExperimentSuite(tmp_path / 'runs', [wild, JOBS[0]]).missing
    assert np.isfinite(load_run(tmp_path / 'runs' / 'one').costs).all()


def test_a_worker_that_dies_ends_the_suite(tmp_path):
    """`progress` is called in the parent while the workers run: it kills one of them."""
    import signal
    from pathlib import Path

    def kill(steps):
        for entry in Path('/proc').glob('[0-9]*'):
            try:
                parent = int((entry / 'stat').read_text().rsplit(')', 1)[1].split()[1])
                worker = b'spawn_main' in (entry / 'cmdline').read_bytes()
            except (OSError, ValueError):
                continue
            if parent == os.getpid() and worker:
                os.kill(int(entry.name), signal.SIGKILL)

    with pytest.raises(BrokenProcessPool):
        ExperimentSuite(tmp_path, [Job('long', QUICK.but(steps=100000))]).run(1, kill)
    assert not (tmp_path / 'long').exists()


def test_an_error_in_recording_is_that_of_the_suite(tmp_path):
    (tmp_path / '.unfinished-one').write_text('a file in the way')
    with pytest.raises(RunDirectoryError):
        ExperimentSuite(tmp_path, JOBS[:1]).run(1, lambda steps: None)


def test_the_number_of_threads_of_this_process_stays_as_it_was(tmp_path, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    with module._one_thread_each():
        assert os.environ['OMP_NUM_THREADS'] == '1'
    assert 'OMP_NUM_THREADS' not in os.environ


def test_an_interruption_ends_the_workers_at_their_next_step(tmp_path):
    """`progress` is where Ctrl-C reaches the parent."""

    def interrupt(steps):
        if steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ExperimentSuite(tmp_path, [Job('long', QUICK.but(steps=100000))]).run(1, interrupt)
    assert not (tmp_path / 'long').exists()
    assert 0 < len(load_run(tmp_path / '.unfinished-long').steps) < 100000


def test_two_suites_do_not_write_into_one_folder_at_the_same_time(tmp_path):
    with module._locked(tmp_path), pytest.raises(RunDirectoryError, match='another command is writing'):
        ExperimentSuite(tmp_path, JOBS[:1]).run(1, lambda steps: None)
    ExperimentSuite(tmp_path, JOBS[:1]).run(1, lambda steps: None)


def test_a_complete_run_that_was_cut_or_damaged_later_is_refused(tmp_path):
    ExperimentSuite(tmp_path, JOBS[:1]).run(1, lambda steps: None)
    file = tmp_path / 'one' / 'steps.csv'
    whole = file.read_text()
    file.write_text(''.join(whole.splitlines(keepends=True)[:8]))
    with pytest.raises(RunDirectoryError, match='one holds 7 of 12 steps; remove it'):
        ExperimentSuite(tmp_path, JOBS[:1])
    file.write_text('not,a,table\n' + whole)
    with pytest.raises(RunDirectoryError, match='does not have the columns.*remove'):
        ExperimentSuite(tmp_path, JOBS[:1])
