# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Fixed policies on the same noise."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from dmpcrl_ros.cli.commands import main
from dmpcrl_ros.experiments.evaluation import Candidate, Scores, confidence_interval, score_table
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.recorded_loop import recorded
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop

QUICK = Settings(steps=8, coordination='admm', admm__iterations=5, learning__exploration=False)


@pytest.fixture(scope='module')
def learned(tmp_path_factory):
    """A directory with a run of eight steps and four updates, and theta of every agent after each of them."""
    path = tmp_path_factory.mktemp('runs') / 'learned'
    list(recorded(QUICK, path))
    return path


@pytest.mark.parametrize('central', [False, True])
@pytest.mark.parametrize('updates', [None, 0, 2])
def test_a_policy_is_the_parameters_after_so_many_updates(tmp_path, learned, updates, central):
    network = QUICK.make_system()
    history = load_run(learned).parameters
    expected = [history[agent].theta[-1 if updates is None else updates] for agent in network.names]
    assert all(
        np.array_equal(*pair) for pair in zip(Policy(learned, updates).thetas(network.names), expected, strict=True)
    )
    job = Candidate('fixed', central=central, policy=Policy(learned, updates)).job(QUICK, 5)
    list(recorded(job.settings, tmp_path / 'run', central=central, policy=job.policy))
    run = load_run(tmp_path / 'run')
    for agent, theta in zip(network.names, expected, strict=True):
        assert np.array_equal(run.parameters[agent].theta, [theta])  # and nothing was learned
    loop = ClosedLoop(network, job.settings, central)
    for agent, theta in zip(loop.agents, [np.concatenate(expected)] if central else expected, strict=True):
        agent.theta = theta
    assert np.array_equal(run.states, [step.states for step in loop.run(8)])


@pytest.mark.parametrize('updates', [99, -1])
def test_parameters_that_were_not_recorded_are_missed_by_name(learned, updates):
    with pytest.raises(RunDirectoryError, match=f'agent_1 after {updates} updates'):
        Policy(learned, updates).thetas(QUICK.make_system().names)


def test_every_candidate_sees_the_same_noise():
    jobs = [
        Candidate(name, {'coordination': 'admm', 'admm__iterations': k}).job(QUICK, 7)
        for name, k in (('one', 5), ('other', 9))
    ]
    assert [job.name for job in jobs] == ['one-seed-7', 'other-seed-7']
    assert all(job.settings.seed == 7 and not job.settings.learn for job in jobs)
    assert [job.settings.of_method.admm.iterations for job in jobs] == [5, 9]


def test_the_interval_is_that_of_the_normal_distribution_where_it_holds():
    values = np.random.default_rng(2).normal(10.0, 2.0, 400)
    assert confidence_interval(values) == pytest.approx(
        stats.norm.interval(0.95, values.mean(), values.std() / 20.0), abs=0.03
    )
    assert confidence_interval(values) == confidence_interval(values)


def test_a_lost_plant_is_infinitely_bad_and_the_table_says_so():
    scores = Scores(costs=np.array([1.0, 3.0, np.inf]), violated=np.array([0, 2, 100]), steps=100)
    (row,) = score_table({'wild': scores})
    assert row['mean cost'] == row['worst'] == np.inf and row['median'] == 3.0 and row['steps out'] == 34.0
    (row,) = score_table({'tame': Scores(costs=np.array([1.0, 3.0]), violated=np.array([0, 2]), steps=100)})
    assert (row['mean cost'], row['low'], row['high'], row['steps out']) == (2.0, 1.0, 3.0, 1.0)


def test_the_command_compares_and_does_not_run_twice(learned):
    arguments = ['evaluate', str(learned), '--seeds', '2', '--steps', '6', '--jobs', '1']
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 0, first.output
    folder = learned.parent / 'learned-evaluated-6-steps'
    rows = {row['controller']: row for row in csv.DictReader((folder / 'scores.csv').read_text().splitlines())}
    expected = np.mean([load_run(folder / f'learned-seed-{seed}').costs.sum() for seed in (1001, 1002)])
    assert float(rows['learned']['mean cost']) == pytest.approx(expected) and 'untrained' in rows
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 0 and '4 of 4 runs are complete already' in again.output


def test_evaluations_of_another_policy_in_the_same_place_are_not_taken_for_those_of_this_one(tmp_path):
    """The run was removed and made again: evaluations of the old one are refused by name."""
    import shutil

    list(recorded(QUICK, tmp_path / 'run'))
    arguments = ['evaluate', str(tmp_path / 'run'), '--seeds', '1', '--steps', '4', '--jobs', '1']
    assert CliRunner().invoke(main, arguments).exit_code == 0
    shutil.rmtree(tmp_path / 'run')
    list(recorded(QUICK.but(seed=9), tmp_path / 'run'))
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1 and 'another policy' in again.output and 'remove it' in again.output


def test_a_policy_does_not_fit_another_network(tmp_path, learned):
    with pytest.raises(RunDirectoryError, match='has other parameters of agent_1 than this run'):
        list(recorded(QUICK.but(chain__variant='mallick2025'), tmp_path / 'run', policy=Policy(learned)))


def test_a_baseline_has_learned_nothing_to_evaluate(tmp_path):
    list(recorded(QUICK.but(method='nominal_mpc'), tmp_path / 'run'))
    done = CliRunner().invoke(main, ['evaluate', str(tmp_path / 'run')])
    assert done.exit_code == 1 and 'a run without learning: no parameter was updated' in done.output


@pytest.mark.parametrize('options', [{'learn': False}, {'steps': 1}])
def test_a_run_without_an_update_has_learned_nothing_to_evaluate(tmp_path, options):
    list(recorded(QUICK.but(**options), tmp_path / 'run'))
    done = CliRunner().invoke(main, ['evaluate', str(tmp_path / 'run')])
    assert done.exit_code == 1 and 'is a run without learning' in done.output and 'Traceback' not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ['run']


def test_a_policy_does_not_fit_a_longer_chain(tmp_path, learned):
    with pytest.raises(RunDirectoryError, match='has other parameters of agent_3 than this run'):
        list(recorded(QUICK.but(chain__agents=4), tmp_path / 'run', policy=Policy(learned)))


def test_a_candidate_may_follow_another_method():
    settings = Candidate('other', {'method': 'nominal_mpc', 'model': 'exact'}).job(QUICK, 3).settings
    assert (settings.method, settings.of_method.model) == ('nominal_mpc', 'exact')
    assert (settings.of_method.admm.iterations, settings.learn) == (5, False)
