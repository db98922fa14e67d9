# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Exploration: all agents know which of them explore; each has its own directions."""

import numpy as np
import pytest

from dmpcrl_ros.methods.q_learning.exploration import Exploration


def explorer(agent=0, **changes):
    arguments = {
        'n_agents': 3,
        'n_inputs': 2,
        'probability': 0.7,
        'decay': 1.0,
        'update_every': 2,
        'strength': 1.0,
        'seed': 1,
    } | changes
    return Exploration(agent=agent, **arguments)


def test_all_agents_know_the_coins_of_all():
    agents = [explorer(agent) for agent in range(3)]
    agents[2].coins(5)  # having asked before changes nothing
    for step in range(50):
        first, *others = (agent.coins(step).tolist() for agent in agents)
        assert len(first) == 3 and all(other == first for other in others)


def test_coins_of_agents_and_steps_are_independent():
    coins = np.array([explorer().coins(step) for step in range(4000)], dtype=float)
    correlation = np.corrcoef(np.hstack([coins[1:], coins[:-1]]).T)
    assert np.abs(correlation - np.eye(6)).max() < 5 / np.sqrt(4000)


@pytest.mark.parametrize('probability', [0.0, 0.3, 1.0])
def test_coins_fall_with_the_given_probability(probability):
    coins = np.array([explorer(probability=probability).coins(step) for step in range(4000)])
    spread = np.sqrt(probability * (1 - probability) / coins.size)
    assert coins.mean() == pytest.approx(probability, abs=5 * spread)


def test_the_probability_decays_by_its_factor_with_every_update():
    """Averaged over 600 seeds and three agents. Updates end the steps 2, 4, 6, ...: five of them before step 11."""
    for step, updates in ((0, 0), (11, 5), (31, 15)):
        coins = np.array([explorer(probability=0.8, decay=0.9, seed=seed).coins(step) for seed in range(600)])
        expected = 0.8 * 0.9**updates
        assert coins.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / coins.size))


def test_exploration_ends():
    assert not any(explorer(decay=0.9).coins(step).any() for step in range(1000, 1100))


def test_directions_are_normal_with_the_given_strength():
    draws = np.array([explorer(strength=0.4).direction(step) for step in range(4000)])
    assert draws.shape == (4000, 2)
    assert draws.mean() == pytest.approx(0.0, abs=5 * 0.4 / np.sqrt(8000))
    assert draws.std() == pytest.approx(0.4, abs=5 * 0.4 / np.sqrt(16000))
    inside = np.mean(np.abs(draws) < 0.4)  # 68.3 % of a normal distribution, 100 % of a uniform one
    assert inside == pytest.approx(0.6827, abs=5 * np.sqrt(0.6827 * 0.3173 / 8000))


def test_directions_are_reproducible_and_differ_by_agent_step_and_seed():
    first = explorer().direction(3)
    assert np.array_equal(explorer().direction(3), first)
    for other in (explorer(agent=1).direction(3), explorer().direction(4), explorer(seed=2).direction(3)):
        assert not np.isclose(other, first).any()
