# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Episodes: their ends, the observations of agents, and the transitions that are not learned from."""

import dataclasses

import numpy as np
import pytest
from helpers import directed_network

from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.episodes import Episodes
from dmpcrl_ros.systems.power_grid.four_areas import power_grid

SHORT = dataclasses.replace(power_grid(), episode_length=8)
QUICK = {'system': 'power_grid', 'coordination': 'admm', 'admm__iterations': 8}


def observed(network, steps):
    plant, seen = network.plant(2), []
    episodes = Episodes(network, plant)
    for _ in range(steps):
        seen.append(episodes.observe())
        episodes.apply([np.full(data.n_inputs, 0.05) for data in network.local])
    return seen


def test_step_numbers_run_on_and_the_plant_begins_again():
    seen = observed(SHORT, 25)
    assert [each.step for each in seen] == list(range(25))
    assert [each.episode for each in seen] == [step // 8 for step in range(25)]
    at_rest = [step for step, each in enumerate(seen) if not np.concatenate(each.states).any()]
    assert at_rest == [0, 8, 16, 24]
    told = [step for step, each in enumerate(seen) if np.concatenate(each.exogenous).any()]
    assert told == [5, 6, 7, 13, 14, 15, 21, 22, 23]  # the first load, in every episode


def test_costs_belong_to_the_transition_that_ended_also_at_the_end_of_an_episode():
    plant, seen = SHORT.plant(2), observed(SHORT, 12)
    assert seen[0].costs.tolist() == [0.0] * 4
    for step in range(11):
        if step == 8:
            plant.begin_episode(1)
        assert np.array_equal(seen[step + 1].costs, plant.step([np.full(1, 0.05)] * 4))
    assert seen[8].costs.sum() > 0.0


def test_without_an_episode_length_a_run_is_one_episode():
    seen = observed(directed_network(), 30)
    assert {each.episode for each in seen} == {0}
    assert not any(np.array_equal(np.concatenate(seen[0].states), np.concatenate(each.states)) for each in seen[1:])
    assert all(exogenous.size == 0 for exogenous in seen[0].exogenous)


@pytest.mark.parametrize('central', [False, True])
def test_the_last_transition_of_an_episode_is_recorded_but_not_learned_from(central):
    loop = ClosedLoop(SHORT, Settings(**QUICK), central=central)
    steps = list(loop.run(24))
    learned = loop.agents[0].snapshot()['steps'].tolist()
    assert [step.step for step in steps if np.isnan(step.metrics['td_error'])] == [7, 15, 23]
    assert learned == [step for step in range(1, 25) if step not in (8, 16, 24)]
    assert not any(any(step.faults) for step in steps)
    assert all(step.costs.sum() > 0 for step in steps[1:8])


def test_both_values_of_a_td_error_are_told_the_load_of_their_own_step():
    """Around the first load, which is known from step 5 on: recomputed with the centralised twin."""
    settings = Settings(system='power_grid', learn=False, coordination='admm')
    loop = ClosedLoop(power_grid(), settings, central=True)
    steps, mpc = list(loop.run(8)), ClosedLoop(power_grid(), settings, central=True).agents[0].mpc

    def value(step, action=None):
        mpc.begin(steps[step].states, action, exogenous=np.array([0.15, 0, 0, 0]) if step > 4 else np.zeros(4))
        mpc.solve()
        return mpc.value(mpc.solution())

    for t in range(7):
        expected = steps[t].costs.sum() + 0.9 * value(t + 1) - value(t, steps[t].actions)
        assert steps[t].metrics['td_error'] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_the_same_seed_gives_the_same_run_bit_for_bit():
    runs = [list(ClosedLoop(SHORT, Settings(seed=seed, **QUICK)).run(20)) for seed in (3, 3, 4)]
    first, second, third = (np.array([np.r_[s.states, s.actions, s.costs] for s in steps]) for steps in runs)
    assert np.array_equal(first, second) and not np.isclose(first[1:8], third[1:8]).all(axis=1).any()
