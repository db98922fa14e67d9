# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The grid's parametrised problem against a dense programme, its derivatives against finite differences."""

import numpy as np
import pytest
from grid_reference import U_MAX, dense_value
from helpers import agents_of, central_of, initial_thetas, perturbed, relative

from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.systems.power_grid.description import grid_from_description
from dmpcrl_ros.systems.power_grid.four_areas import description, power_grid

GRID = power_grid()
TERMINAL = grid_from_description(description() | {'mpc': description()['mpc'] | {'terminal_cost': True}})
LOADS = np.array([0.15, -0.15, -0.12, 0.28])


def random_case(seed, scale=0.02):
    draw = np.random.default_rng(seed)
    thetas = perturbed(initial_thetas(GRID), draw, scale)
    state = (draw.uniform(-1, 1, (4, 4)) * [0.12, 0.02, 0.2, 0.2]).ravel()
    action = draw.uniform(-1, 1, 4) * U_MAX
    return thetas, state, action


def solved(mpc, state, action, loads):
    mpc.begin(state, action, exogenous=loads)
    mpc.solve()
    return mpc.solution()


@pytest.mark.parametrize('function', ['V', 'Q'])
@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('grid', [GRID, TERMINAL], ids=['published', 'terminal cost'])
def test_value_and_inputs_are_those_of_the_dense_programme(grid, seed, function):
    thetas, state, action = random_case(seed)
    given = action if function == 'Q' else None
    expected, inputs = dense_value(thetas, state.reshape(4, 4), LOADS, given, terminal=grid is TERMINAL)
    mpc = central_of(grid, thetas).mpc
    found = solved(mpc, state, given, LOADS)
    assert mpc.value(found) == pytest.approx(expected, rel=1e-8)
    assert relative(mpc.inputs(found), inputs) < 1e-6


def test_the_exogenous_input_moves_the_programme_without_another_theta_and_is_not_remembered():
    thetas, state, _ = random_case(1)
    mpc, fresh = central_of(GRID, thetas).mpc, central_of(GRID, thetas).mpc
    with_load = mpc.value(solved(mpc, state, None, LOADS))
    without = mpc.value(solved(mpc, state, None, None))
    assert without == fresh.value(solved(fresh, state, None, np.zeros(4)))
    assert abs(with_load - without) > 1e-2
    assert mpc.value(solved(mpc, state, None, LOADS)) == pytest.approx(with_load, rel=1e-12)
    expected = fresh.value(solved(fresh, state, np.zeros(4), LOADS))
    assert mpc.value(solved(mpc, state, np.zeros(4), LOADS)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('exogenous', [np.zeros(3), np.array([0.1, np.nan, 0.0, 0.0]), np.zeros(0)])
def test_an_exogenous_input_that_does_not_fit_is_refused(exogenous):
    with pytest.raises(QpFailure, match='exogenous input must be 4 finite numbers'):
        central_of(GRID).mpc.begin(np.zeros(16), exogenous=exogenous)


def test_a_new_theta_keeps_the_exogenous_input_it_was_given():
    thetas, state, _ = random_case(2)
    mpc = central_of(GRID).mpc
    solved(mpc, state, None, LOADS)
    mpc.theta = np.concatenate(thetas)
    expected, _ = dense_value(thetas, state.reshape(4, 4), LOADS)
    assert mpc.value(solved(mpc, state, None, LOADS)) == pytest.approx(expected, rel=1e-8)


class Case:
    """V or Q at a fixed state, as a function of theta."""

    def __init__(self, seed, function):
        thetas, self.state, action = random_case(seed)
        self.theta, self.action = np.concatenate(thetas), action if function == 'Q' else None
        self.mpc = central_of(GRID, thetas).mpc

    def at(self, theta):
        self.mpc.theta = theta
        return solved(self.mpc, self.state, self.action, LOADS)

    def active(self, solution):
        return np.r_[
            solution.dual_soft_lower > 0, solution.dual_soft_upper > 0, solution.slack > 1e-9, solution.dual_hard != 0
        ]


@pytest.mark.parametrize('function', ['V', 'Q'])
@pytest.mark.parametrize('seed', [0, 3])
def test_the_gradient_is_that_of_the_value(seed, function):
    case = Case(seed, function)
    found = case.mpc.sensitivities(case.at(case.theta)).gradient
    tested = 0
    for k, label in enumerate(case.mpc.layout.labels):
        values, active = [], []
        step = 1e-4 * max(1.0, abs(case.theta[k]) / 100)
        for factor in (-2, -1, 1, 2):
            moved = case.theta.copy()
            moved[k] += factor * step
            solution = case.at(moved)
            values.append(case.mpc.value(solution))
            active.append(case.active(solution))
        if np.ptp(np.array(active).astype(int), axis=0).any():
            continue  # the active set changes here
        tested += 1
        expected = (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * step)
        assert found[k] == pytest.approx(expected, rel=1e-5, abs=2e-5), label
    assert tested > 0.9 * case.theta.size


def test_the_hessian_is_the_derivative_of_the_gradient_at_a_fixed_point():
    """Derivatives of the own problem in the midst of ADMM; coefficients by both derivatives of their map."""
    mpc, draw = agents_of(GRID)[1].mpc, np.random.default_rng(5)
    theta = perturbed([mpc.theta], draw, 0.02)[0]
    mpc.theta = theta
    mpc.begin(np.array([0.05, 0.01, -0.1, 0.1]), exogenous=np.array([0.1]))
    mpc.solve(draw.normal(0.0, 0.3, mpc.n_consensus))
    solution = mpc.solution()
    hessian = mpc.sensitivities(solution, second_order=True).hessian
    assert np.abs(hessian - hessian.T).max() < 1e-12 * np.abs(hessian).max()
    assert np.abs(hessian[-2:, -2:]).min() > 1e-4
    for k, step in enumerate(1e-4 * np.ones(theta.size)):
        ends = []
        for factor in (-2, -1, 1, 2):
            moved = theta.copy()
            moved[k] += factor * step
            mpc.theta = moved
            ends.append(mpc.sensitivities(solution).gradient)
        expected = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * step)
        assert hessian[:, k] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_theta_whose_model_is_no_number_is_refused_and_the_old_one_stays():
    mpc = agents_of(GRID)[0].mpc
    before, wild = mpc.theta, mpc.theta.copy()
    wild[-1] = 1e306
    with pytest.raises(QpFailure, match='not finite'):
        mpc.theta = wild
    assert mpc.theta is before
