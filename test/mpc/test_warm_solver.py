# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One solver, kept warm over a long sequence of states and linear terms, answers like one that has just been set up.

With other bounds, the solver behind it can keep a soft row at the end of its multiplier's box although the row is no
longer violated, and report success: only the optimality conditions show it.
"""

import numpy as np
import pytest
from helpers import CHAINS, agents_of, central_of, relative, split
from linear_reference import reference

STATES = 200
FIELDS = ('primal', 'slack', 'dual_equality', 'dual_hard', 'dual_soft_lower', 'dual_soft_upper')


def wander(n_agents, draw):
    """States like those of a closed loop: slowly varying, at the lower bound of the first, now and then far out."""
    state = np.tile([0.0, 0.15], n_agents)
    for k in range(STATES):
        state = 0.8 * state + draw.uniform(-0.15, 0.15, state.size) + np.tile([0.02, 0.0], n_agents)
        yield state + (draw.uniform(-1.0, 1.0, state.size) if k % 10 == 9 else 0.0)


def solved(mpc, state, action, linear):
    mpc.begin(state, action)
    for term in linear:
        mpc.solve(term)
    return mpc.solution()


@pytest.mark.parametrize('function', ['V', 'Q'])
@pytest.mark.parametrize('variant', CHAINS)
@pytest.mark.parametrize('who', ['agent', 'central'])
def test_a_warm_solver_answers_like_a_fresh_one(who, variant, function):
    network, draw = CHAINS[variant], np.random.default_rng(8)

    def build():
        return agents_of(network)[1].mpc if who == 'agent' else central_of(network).mpc

    warm, fresh = build(), build()
    n_agents = 1 if who == 'agent' else 3
    worst, violated = dict.fromkeys(FIELDS, 0.0), 0
    for state in wander(n_agents, draw):
        action = draw.uniform(-1.0, 1.0, n_agents) if function == 'Q' else None
        linear = [0.0] if who == 'central' else draw.normal(0.0, 0.5, (4, warm.n_consensus))
        found = solved(warm, state, action, linear)
        fresh.theta = fresh.theta  # sets up the programme and its solver anew
        expected = solved(fresh, state, action, linear[-1:])
        violated += found.slack.max() > 1e-6
        assert found.kkt_residual < 1e-8
        for name in FIELDS:
            worst[name] = max(worst[name], relative(getattr(found, name), getattr(expected, name)))
    assert violated > STATES / 10  # not all of them are easy
    assert max(worst.values()) < 1e-7, worst


@pytest.mark.parametrize('variant', CHAINS)
def test_a_warm_solver_answers_like_the_dense_programme(variant):
    network = CHAINS[variant]
    mpc = central_of(network).mpc
    thetas = [agent.mpc.theta for agent in agents_of(network)]
    for k, state in enumerate(wander(3, np.random.default_rng(9))):
        found = solved(mpc, state, None, [0.0])
        if k % 20 == 19:
            expected = reference(network, thetas, split(state, network.state_parts))
            assert mpc.value(found) == pytest.approx(expected.value, rel=1e-9)
            assert relative(found.dual_equality, np.concatenate([part.ravel() for part in expected.dynamics])) < 1e-7


def test_v_and_q_evaluations_do_not_disturb_each_other():
    network, draw = CHAINS['mallick2024'], np.random.default_rng(10)
    mixed, only_v = central_of(network).mpc, central_of(network).mpc
    for state in wander(3, draw):
        solved(mixed, state, draw.uniform(-1.0, 1.0, 3), [0.0])
        assert relative(solved(mixed, state, None, [0.0]).primal, solved(only_v, state, None, [0.0]).primal) < 1e-9
