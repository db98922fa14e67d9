# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Derivatives in theta against finite differences, slice by slice."""

import numpy as np
import pytest
from helpers import CHAINS, agents_of, central_of, directed_network, initial_thetas, perturbed

NETWORKS = CHAINS | {'directed': directed_network()}
# Every agent starts beyond a bound, so that multipliers of both sides and all weights matter. The actions are none
# that the policy takes.
STATES = {
    'mallick2024': [-0.15, 1.2, -0.1, -0.5, -0.2, 1.15],
    'mallick2025': [-0.15, 1.2, 1.1, 1.1, -0.2, 1.15],
    'directed': [0.62, 0.7, 0.7, -0.2, 0.5, -0.45],
}
ACTIONS = {'mallick2024': [-0.3, 0.2, -0.4], 'mallick2025': [-0.3, 0.2, -0.4], 'directed': [0.1, -0.2, 0.1, -0.3]}
STEP = 2e-4
NAMES = {
    name: [
        f'{agent}.{part}'
        for agent, layout in zip(network.names, (a.mpc.layout for a in agents_of(network)), strict=True)
        for part in layout.names
    ]
    for name, network in NETWORKS.items()
}


class Case:
    """V or Q of one network at fixed states, as a function of theta."""

    def __init__(self, name, function):
        network = NETWORKS[name]
        self.theta = np.concatenate(perturbed(initial_thetas(network), np.random.default_rng(3), 0.02))
        self.mpc = central_of(network).mpc
        self.state, self.action = np.array(STATES[name]), np.array(ACTIONS[name]) if function == 'Q' else None
        self.gradient = self.mpc.sensitivities(self.at(self.theta)).gradient

    def at(self, theta):
        self.mpc.theta = theta
        self.mpc.begin(self.state, self.action)
        self.mpc.solve()
        return self.mpc.solution()

    def difference(self, k):
        """Central differences of the value in theta[k], extrapolated; the active set must be the same in all."""
        values, active = [], []
        for step in (-STEP, -STEP / 2, STEP / 2, STEP):
            moved = self.theta.copy()
            moved[k] += step
            solution = self.at(moved)
            values.append(self.mpc.value(solution))
            active.append(
                np.r_[
                    solution.dual_soft_lower > 0,
                    solution.dual_soft_upper > 0,
                    solution.slack > 1e-9,
                    solution.dual_hard != 0,
                ].astype(int)
            )
        assert np.ptp(active, axis=0).max() == 0, 'the active set changes here: a finite difference is meaningless'
        wide, narrow = (values[3] - values[0]) / (2 * STEP), (values[2] - values[1]) / STEP
        return (4 * narrow - wide) / 3


@pytest.fixture(scope='module')
def cases():
    return {(name, function): Case(name, function) for name in NETWORKS for function in 'VQ'}


@pytest.mark.parametrize('function', ['V', 'Q'])
@pytest.mark.parametrize('name, part', [(name, part) for name in NETWORKS for part in NAMES[name]])
def test_the_gradient_is_that_of_the_value(cases, name, part, function):
    case = cases[name, function]
    indices = range(case.theta.size)[case.mpc.layout.slices[part]]
    expected = np.array([case.difference(k) for k in indices])
    found = case.gradient[indices.start : indices.stop]
    # The values are of the order of 1000 and known to 3e-9: their differences over 1e-4 are known to 1e-4.
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize('name', NETWORKS)
def test_no_part_of_the_gradient_is_tested_at_zero_only(cases, name):
    """Each kind of parameter has a gradient that is not zero somewhere in these cases."""
    kinds = {part.split('.')[1] for part in NAMES[name]}
    moved = {
        part.split('.')[1]
        for part in NAMES[name]
        for function in 'VQ'
        if np.abs(cases[name, function].gradient[cases[name, function].mpc.layout.slices[part]]).max() > 1e-3
    }
    assert moved == kinds


@pytest.fixture(scope='module', params=['mallick2024', 'mallick2025'])
def frozen(request):
    """The middle agent's own problem, in the midst of ADMM, with its primal-dual point."""
    mpc = agents_of(NETWORKS[request.param])[1].mpc
    draw = np.random.default_rng(4)
    theta = perturbed([mpc.theta], draw, 0.02)[0]
    mpc.theta = theta
    mpc.begin(np.array([-0.1, 1.2]))
    mpc.solve(draw.normal(0.0, 0.3, mpc.n_consensus))
    return mpc, theta, mpc.solution()


def test_the_hessian_is_the_derivative_of_the_gradient_at_a_fixed_point(frozen):
    mpc, theta, solution = frozen
    differences = []
    for k in range(theta.size):
        ends = []
        for step in (-1e-4, 1e-4):
            moved = theta.copy()
            moved[k] += step
            mpc.theta = moved
            ends.append(mpc.sensitivities(solution).gradient)
        differences.append((ends[1] - ends[0]) / 2e-4)
    mpc.theta = theta
    assert mpc.sensitivities(solution, second_order=True).hessian == pytest.approx(np.array(differences), abs=1e-7)


def test_only_the_weights_q_and_r_are_curved(frozen):
    """000: d2L/dQ_j2 = sum_k gamma^k x_j(k)^2, d2L/dR2 = 1/2 sum_k gamma^k u(k)^2, all else zero; 001: nothing."""
    mpc, theta, solution = frozen
    hessian = mpc.sensitivities(solution, second_order=True).hessian
    expected = np.zeros((theta.size, theta.size))
    if 'Q' in mpc.layout.names:
        x, u = mpc.trajectory(solution), mpc.inputs(solution)
        of_q, of_r = 0.9 ** np.arange(11) @ x**2, 0.5 * 0.9 ** np.arange(10) @ u**2
        weights = np.r_[range(theta.size)[mpc.layout.slices['Q']], range(theta.size)[mpc.layout.slices['R']]]
        expected[weights, weights] = np.r_[of_q, of_r]
        assert expected[weights, weights].min() > 1e-3
    assert hessian == pytest.approx(expected, abs=1e-12)


def test_a_hessian_is_made_only_when_asked_for(frozen):
    mpc, _, solution = frozen
    assert mpc.sensitivities(solution).hessian is None


def test_results_are_not_overwritten_by_the_next_evaluation(frozen):
    mpc, theta, solution = frozen
    first = mpc.sensitivities(solution, second_order=True)
    gradient, hessian, primal = first.gradient.copy(), first.hessian.copy(), solution.primal.copy()
    mpc.begin(np.array([0.5, -0.5]))
    mpc.solve(np.ones(mpc.n_consensus))
    mpc.sensitivities(mpc.solution(), second_order=True)
    assert np.array_equal(first.gradient, gradient) and np.array_equal(first.hessian, hessian)
    assert np.array_equal(solution.primal, primal)
