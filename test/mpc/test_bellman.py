# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Bellman consistency: V(s) = min_a Q(s, a), attained by the policy."""

import numpy as np
import pytest
from helpers import CHAINS, central_of, directed_network, initial_thetas, perturbed
from scipy.optimize import minimize_scalar

from dmpcrl_ros.systems.linear.chain import chain

NETWORKS = CHAINS | {'directed': directed_network()}


def q_value(mpc, state, action):
    mpc.begin(state, action)
    mpc.solve()
    return mpc.value(mpc.solution())


def v_value(mpc, state):
    mpc.begin(state)
    mpc.solve()
    solution = mpc.solution()
    return mpc.value(solution), mpc.action(solution)


@pytest.fixture(params=NETWORKS)
def problem(request):
    network, draw = NETWORKS[request.param], np.random.default_rng(5)
    mpc = central_of(network, perturbed(initial_thetas(network), draw, 0.01)).mpc
    states = [network.initial_state, *draw.uniform(-0.2, 1.1, (5, network.a.shape[0]))]
    return network, mpc, states, draw


def test_the_policy_attains_the_value(problem):
    _, mpc, states, _ = problem
    for state in states:
        value, action = v_value(mpc, state)
        assert q_value(mpc, state, action) == pytest.approx(value, rel=1e-9)


def test_no_action_is_better_than_the_policy(problem):
    network, mpc, states, draw = problem
    low, high = (
        np.concatenate([getattr(data, f'input_{side}') for data in network.local]) for side in ('lower', 'upper')
    )
    for state in states:
        value, action = v_value(mpc, state)
        worse = [q_value(mpc, state, draw.uniform(low, high)) for _ in range(20)]
        nearby = [
            q_value(mpc, state, np.clip(action + draw.normal(0.0, 0.01, len(action)), low, high)) for _ in range(20)
        ]
        assert min(worse + nearby) >= value - 1e-9 * abs(value)
        assert max(worse) > value + 1e-3


@pytest.mark.parametrize('variant', ['mallick2024', 'mallick2025'])
def test_the_least_q_value_over_all_actions_is_the_value(variant):
    """For one agent, whose action is a number."""
    mpc = central_of(chain(1, variant)).mpc
    for state in np.random.default_rng(6).uniform([-0.2, -1.1], [1.1, 1.1], (6, 2)):
        value, action = v_value(mpc, state)
        grid = np.linspace(-1.0, 1.0, 81)
        values = [q_value(mpc, state, np.array([a])) for a in grid]
        assert min(values) >= value - 1e-9 * abs(value)
        assert grid[np.argmin(values)] == pytest.approx(action.item(), abs=0.025 + 1e-9)
        best = minimize_scalar(
            lambda a, state=state: q_value(mpc, state, np.array([a])),
            method='bounded',
            bounds=(max(-1.0, action.item() - 0.05), min(1.0, action.item() + 0.05)),
            options={'xatol': 1e-9},
        )
        assert best.fun == pytest.approx(value, rel=1e-6)


def test_exploration_changes_the_action_but_not_what_its_value_means(problem):
    """With q'u(0) in the objective the action moves against q; the value, without the term, is that of a worse
    action."""
    _, mpc, states, _ = problem
    state = states[0]
    value, action = v_value(mpc, state)
    direction = np.full(len(action), 0.3)
    mpc.begin(state, perturbation=direction)
    mpc.solve()
    explored = mpc.solution()
    assert direction @ (mpc.action(explored) - action) < -1e-3
    assert mpc.value(explored) == pytest.approx(q_value(mpc, state, mpc.action(explored)), rel=1e-9)
    assert mpc.value(explored) > value + 1e-6
