# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Checkpoints of a run in one process, and runs that begin with what another one has learned."""

import csv
from contextlib import closing
from itertools import islice

import numpy as np
import pytest

from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.recording.recorded_loop import recorded
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.deployment import LearnedSettings
from dmpcrl_ros.settings.run import Settings

AGENTS = ('agent_1', 'agent_2', 'agent_3')
QUICK = {'coordination': 'admm', 'admm__iterations': 4}


def run(folder, name, steps=8, *, learned=None, central=False, taken=None, **settings):
    """Parameters that the agents begin with and end with; `taken` is the step after which the run is interrupted."""
    settings = Settings(**{'steps': steps, 'seed': 4} | QUICK | settings)
    learned = LearnedSettings(**learned) if learned else None
    with closing(recorded(settings, folder / name, central=central, learned=learned)) as transitions:
        for _ in islice(transitions, taken):
            pass
    found = load_run(folder / name).parameters
    return [np.concatenate([found[agent].theta[row] for agent in AGENTS]) for row in (0, -1)]


@pytest.fixture
def trained(tmp_path):
    """Directory with a run and its checkpoints; the parameters at its end."""
    first, last = run(tmp_path, 'run', learned={'checkpoints': str(tmp_path / 'kept')})
    assert not np.array_equal(first, last)
    return tmp_path, last


def test_a_run_continues_from_its_checkpoints(trained):
    folder, last = trained
    first, after = run(folder, 'next', learned={'checkpoints': str(folder / 'kept')})
    assert np.array_equal(first, last) and not np.array_equal(after, last)
    with open(folder / 'next' / 'parameters_agent_1.csv', encoding='utf-8') as file:
        updates = [int(row['updates']) for row in csv.DictReader(file)]
    assert updates == [4, 5, 6, 7, 8]  # an update every second step


@pytest.mark.parametrize('source', ['run', 'kept'])
@pytest.mark.parametrize('method', ['q_learning with reactions', 'q_learning with ADMM'])
def test_a_run_begins_with_what_another_has_learned(trained, source, method):
    folder, last = trained
    coordinated = {} if 'ADMM' in method else {'coordination': 'reactions', 'admm__iterations': None}
    start = {'start_from': str(folder / source)}
    first, after = run(folder, 'next', learned=start, learn=False, **coordinated)
    assert np.array_equal(first, last) and np.array_equal(after, last)


def test_the_centralised_twin_begins_with_the_parameters_of_a_run_of_the_agents(trained):
    folder, last = trained
    first, _ = run(folder, 'twin', learned={'start_from': str(folder / 'run')}, central=True)
    assert np.array_equal(first, last)


def test_own_checkpoints_go_before_those_of_others(trained):
    folder, _ = trained
    both = {'start_from': str(folder / 'kept'), 'checkpoints': str(folder / 'own')}
    _, last = run(folder, 'first', learned=both)
    first, _ = run(folder, 'second', learned=both)
    assert np.array_equal(first, last)


@pytest.mark.parametrize('every', [1, None])
def test_an_interrupted_run_keeps_what_it_has_learned(tmp_path, every):
    learned = {'checkpoints': str(tmp_path / 'kept'), 'checkpoint_every': every}
    _, last = run(tmp_path, 'run', 100, learned=learned, taken=7)
    first, _ = run(tmp_path, 'next', learned=learned)
    assert np.array_equal(first, last)


def test_learning_of_second_order_begins_with_the_parameters_of_first_order(trained):
    folder, last = trained
    for learned in ({'start_from': str(folder / 'kept')}, {'checkpoints': str(folder / 'kept')}):
        first, after = run(folder, 'next' + ''.join(learned), learned=learned, learning__order='second')
        assert np.array_equal(first, last) and not np.array_equal(after, last)


def test_transitions_of_another_run_are_not_learned_from(trained):
    """Their steps come again in the next run. A run has parameters only, checkpoints the transitions, too."""
    folder, last = trained
    starts = ({'start_from': str(folder / name)} for name in ('run', 'kept'))
    after = [run(folder, f'next{k}', learned=start)[1] for k, start in enumerate(starts)]
    after.append(run(folder, 'next', learned={'checkpoints': str(folder / 'kept')})[1])
    assert np.array_equal(after[0], after[1]) and np.array_equal(after[0], after[2])
    assert not np.array_equal(after[0], last)


def test_what_agents_begin_with_is_not_copied_into_their_own_checkpoints_before_they_learn(trained):
    folder, _ = trained
    both = {'start_from': str(folder / 'kept'), 'checkpoints': str(folder / 'own')}
    run(folder, 'next', learned=both, learn=False)
    assert not (folder / 'own').exists()


def test_a_twin_of_one_agent_begins_with_the_parameters_of_its_run(tmp_path):
    settings = Settings(steps=6, seed=4, chain__agents=1, **QUICK)
    list(recorded(settings, tmp_path / 'run'))
    start = LearnedSettings(start_from=str(tmp_path / 'run'))
    list(recorded(settings, tmp_path / 'twin', central=True, learned=start))
    before, after = (load_run(tmp_path / name).parameters['agent_1'].theta for name in ('run', 'twin'))
    assert np.array_equal(after[0], before[-1])


@pytest.mark.parametrize(
    ('start', 'settings', 'reason'),
    [
        ('nowhere', {}, 'nowhere holds neither a run nor a usable checkpoint of agent_1'),
        ('run', {'chain__agents': 4}, 'run has other parameters of agent_3 than this run'),
        ('run', {'chain__variant': 'mallick2025'}, 'run has other parameters of agent_1 than this run'),
        ('kept', {'chain__variant': 'mallick2025'}, "its system is 'chain-mallick2024', not 'chain-mallick2025'"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_before_anything_is_recorded(trained, start, settings, reason):
    folder, _ = trained
    with pytest.raises(SettingError, match='start_from: ') as refused:
        run(folder, 'next', learned={'start_from': str(folder / start)}, **settings)
    assert reason in str(refused.value) and not (folder / 'next').exists()


def test_without_learning_an_agent_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(SettingError, match='no usable checkpoint of agent_1'):
        run(tmp_path, 'run', learned={'checkpoints': str(tmp_path / 'mistyped')}, learn=False)


def test_checkpoints_change_no_number(trained):
    folder, last = trained
    assert np.array_equal(run(folder, 'plain')[1], last)
