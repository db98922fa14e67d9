# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The parametrised problem against a dense programme with explicit slack, written from the papers."""

import numpy as np
import pytest
from helpers import CHAINS, central_of, directed_network, initial_thetas, perturbed, relative, split
from linear_reference import reference

from dmpcrl_ros.systems.linear.formulation import parameter_layout

NETWORKS = CHAINS | {'directed': directed_network()}
TRIALS = range(6)


def stacked(network, parts, first):
    """Parts of the dense programme for each agent, stacked as in the package: bounded states only."""
    if first is None:
        return np.concatenate([part.ravel() for part in parts])
    bounded = [np.isfinite(data.state_lower) | np.isfinite(data.state_upper) for data in network.local]
    return np.concatenate([part[:, b].ravel() for part, b in zip(parts, bounded, strict=True)])


@pytest.fixture(
    scope='module',
    params=[(name, trial) for name in NETWORKS for trial in TRIALS],
    ids=lambda param: f'{param[0]}-{param[1]}',
)
def case(request):
    """Random parameters near the initial ones, random states (most of them outside a bound) and actions."""
    name, trial = request.param
    network, draw = NETWORKS[name], np.random.default_rng(100 + trial)
    thetas = perturbed(initial_thetas(network), draw, 0.02)
    low, high = (
        np.concatenate([np.clip(getattr(d, f'state_{side}'), -1.0, 1.0) for d in network.local])
        for side in ('lower', 'upper')
    )
    state = draw.uniform(low - 0.25, high + 0.25)
    action = np.concatenate([draw.uniform(d.input_lower, d.input_upper) for d in network.local])
    return network, thetas, state, action


@pytest.mark.parametrize('function', ['V', 'Q'])
def test_value_inputs_and_multipliers_are_those_of_the_dense_programme(case, function):
    network, thetas, state, action = case
    action = action if function == 'Q' else None
    expected = reference(
        network,
        thetas,
        split(state, network.state_parts),
        action if action is None else split(action, network.input_parts),
    )
    mpc = central_of(network, thetas).mpc
    mpc.begin(state, action)
    mpc.solve()
    found = mpc.solution()
    assert mpc.value(found) == pytest.approx(expected.value, rel=1e-9)
    assert relative(mpc.inputs(found), expected.inputs) < 1e-7
    assert relative(mpc.trajectory(found), np.hstack(expected.states)) < 1e-7
    assert relative(found.dual_equality, stacked(network, expected.dynamics, None)) < 1e-7
    for name, parts in (
        ('dual_soft_lower', expected.lower),
        ('dual_soft_upper', expected.upper),
        ('slack', expected.slack),
    ):
        assert relative(getattr(found, name), stacked(network, parts, 'bounded')) < 1e-7, name


@pytest.mark.parametrize('function', ['V', 'Q'])
def test_the_gradient_is_what_the_papers_make_of_the_multipliers(case, function):
    """dQ/db = sum lambda(k), dQ/dA = sum lambda(k) x(k)', dQ/dx_lb = sum mu_lb(k) and so on: the table of the partial
    derivatives of the Lagrangian, with the numbers of the dense programme."""
    network, thetas, state, action = case
    action = action if function == 'Q' else None
    solved = reference(
        network,
        thetas,
        split(state, network.state_parts),
        action if action is None else split(action, network.input_parts),
    )
    mpc = central_of(network, thetas).mpc
    mpc.begin(state, action)
    mpc.solve()
    found = mpc.sensitivities(mpc.solution()).gradient
    expected = []
    for i, data in enumerate(network.local):
        layout = parameter_layout(data, network.structure)
        gamma, theta = network.structure.discount, layout.unpack(thetas[i])
        x, u, dual = solved.states[i], solved.inputs[:, network.input_parts[i]], solved.dynamics[i]
        stages, controls = gamma ** np.arange(len(x))[:, None], gamma ** np.arange(len(u))[:, None]
        parts = {
            'V0': [1.0],
            'x_lb': solved.lower[i].sum(axis=0),
            'x_ub': -solved.upper[i].sum(axis=0),
            'b': dual.sum(axis=0),
            'f': np.r_[x[:-1].sum(axis=0), u.sum(axis=0)],
            'A': dual.T @ x[:-1],
            'B': dual.T @ u,
        }
        parts |= {f'A_{j}': dual.T @ solved.states[j][:-1] for j in data.parents}
        if network.structure.learn_weights:
            parts |= {
                'Q': (stages * x**2).sum(axis=0) * theta['Q'],  # of 1/2 gamma^k (Q x)^2, k = 0..N
                'R': 0.5 * (controls * u**2).sum(axis=0) * theta['R'],  # of 1/4 gamma^k (R u)^2, k < N
                'w': 0.5 * (stages * solved.slack[i]).sum(axis=0),
                'ac': [(dual[:, 1] * sum(solved.states[j][:-1, 1] for j in data.parents)).sum()],
            }
        expected += [np.ravel(parts[name]) for name in layout.names]
    assert relative(found, np.concatenate(expected)) < 1e-7


@pytest.mark.parametrize('variant, sizes', [('mallick2024', (20, 24, 20)), ('mallick2025', (22, 22, 22))])
def test_the_number_of_parameters_is_the_published_one(variant, sizes):
    network = NETWORKS[variant]
    assert tuple(parameter_layout(data, network.structure).size for data in network.local) == sizes
