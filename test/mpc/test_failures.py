# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Problems without a solution are refused, and the former ones stay."""

import copy

import numpy as np
import pytest
from helpers import DIRECTED, agents_of, central_of

from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.systems.linear.description import from_description

STATE = np.array([0.1, 0.2])


def answer(mpc, state=STATE):
    mpc.begin(state)
    mpc.solve()
    solution = mpc.solution()
    return mpc.value(solution), solution.primal.tolist(), solution.dual_soft_lower.tolist()


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_refused(value):
    mpc = central_of(chain(1)).mpc
    expected = answer(mpc)
    with pytest.raises(QpFailure, match='not finite'):
        mpc.begin(np.array([0.1, value]))
    assert answer(mpc) == expected


@pytest.mark.parametrize('value', [np.nan, -np.inf])
def test_an_action_that_is_not_finite_is_refused(value):
    mpc = central_of(chain(1)).mpc
    expected = answer(mpc)
    with pytest.raises(QpFailure, match='not finite'):
        mpc.begin(STATE, np.array([value]))
    assert answer(mpc) == expected


def changed(mpc, name, values):
    theta = mpc.theta.copy()
    theta[mpc.layout.slices[f'agent_1.{name}']] = values
    return theta


@pytest.mark.parametrize(
    'variant, name, values',
    [
        ('mallick2024', 'x_lb', [0.0, 2.5]),  # -1 + 2.5 > 1
        ('mallick2024', 'x_ub', [-1.5, 0.0]),  # 1 - 1.5 < 0
        ('mallick2024', 'A', [1.0, np.nan, 0.0, 1.0]),
        ('mallick2024', 'V0', [np.inf]),
        ('mallick2025', 'w', [500.0, -1.0]),
        ('mallick2025', 'w', [np.nan, 500.0]),
    ],
)
def test_parameters_without_a_convex_programme_are_refused_and_the_old_ones_stay(variant, name, values):
    mpc = central_of(chain(1, variant)).mpc
    before, expected = mpc.theta.copy(), answer(mpc)
    with pytest.raises(QpFailure):
        mpc.theta = changed(mpc, name, values)
    assert np.array_equal(mpc.theta, before)
    assert answer(mpc) == expected


def test_parameters_of_the_wrong_number_are_refused():
    mpc = central_of(chain(1)).mpc
    with pytest.raises(QpFailure, match=f'{mpc.theta.size} finite numbers'):
        mpc.theta = np.append(mpc.theta, 0.0)


def test_nothing_but_an_assignment_changes_parameters():
    mpc = central_of(chain(1)).mpc
    with pytest.raises(ValueError, match='read-only'):
        mpc.theta[0] = 1.0
    mine = mpc.theta.copy()
    mpc.theta = mine
    mine[0] = 5.0
    assert mpc.theta[0] == 0.0


@pytest.mark.parametrize('agent', [0, 1])
def test_a_state_on_its_bound_violates_nothing(agent):
    """The first state of the chain, x1 = 0, is on its lower bound. Whether a multiplier is that of a violation
    must not be decided by the solver's rounding of the state it was given: the gradient would be wrong by the whole
    penalty."""
    mpc = agents_of(chain(3, 'mallick2025'))[agent].mpc
    draw = np.random.default_rng(11)
    for _ in range(50):
        mpc.begin(np.array([0.0, 1.0]))
        mpc.solve(draw.normal(0.0, 0.5, mpc.n_consensus))
        solution = mpc.solution()
        for of_rows in (solution.dual_soft_lower, solution.dual_soft_upper, solution.slack):
            assert of_rows[:2].tolist() == [0.0, 0.0]  # those of the state it starts from come first


def test_an_agent_without_state_bounds_can_be_controlled():
    description = copy.deepcopy(DIRECTED)
    del description['agents'][1]['bounds']['state']
    mpc = agents_of(from_description(description))[1].mpc
    mpc.begin(np.array([0.5]))
    mpc.solve()
    solution = mpc.solution()
    assert solution.slack.size == 0 and np.isfinite(mpc.sensitivities(solution).gradient).all()
