# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Sizes of variables and parameters, by which learning does not depend on the units of a description."""

import copy
from functools import cache

import numpy as np
import pytest

from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import chain, description
from dmpcrl_ros.systems.linear.description import from_description
from dmpcrl_ros.systems.linear.sizes import VariableSizes, bound_size
from dmpcrl_ros.systems.power_grid.four_areas import power_grid

INF = np.inf


def in_units(states, inputs, cost, variant='mallick2024'):
    """The chain with states, inputs and costs in other units: numbers are multiplied by these factors."""
    described = copy.deepcopy(description(3, variant))
    x = np.asarray(states, dtype=float)
    for agent in described['agents']:
        models = [agent['dynamics'], agent['model'], *agent['uncertainty'].values()]
        for model in models:
            model['A'] = (np.array(model['A']) * np.divide.outer(x, x)).tolist()
            model['B'] = (np.array(model['B']) * x[:, None] / inputs).tolist()
            model['neighbours'] = {
                name: (np.array(matrix) * np.divide.outer(x, x)).tolist()
                for name, matrix in model['neighbours'].items()
            }
        for of_states in (agent['noise'], agent['bounds']['state']):
            of_states.update({side: (np.array(value) * x).tolist() for side, value in of_states.items()})
        bounds = agent['bounds']['input']
        bounds.update({side: (np.array(value) * inputs).tolist() for side, value in bounds.items()})
        agent['initial_state'] = (np.array(agent['initial_state']) * x).tolist()
        weights = agent['cost']
        weights['state'] = (np.array(weights['state']) * cost / x**2).tolist()
        weights['input'] = (np.array(weights['input']) * cost / inputs**2).tolist()
        weights['violation'] = (np.array(weights['violation']) * cost / x).tolist()
        agent['parameters'] = {name: (np.array(value) * x).tolist() for name, value in agent['parameters'].items()}
    return from_description(described)


def test_sizes_of_the_chain_by_hand():
    """Without inputs the noise of -0.1 in each of ten steps moves the first state by 1, which is its bound; the second
    one stays at 0.15. Inputs of 0.15 / 0.25 = 0.6 move it by as much in a step, and to its bound of 1 within ten steps.
    A step changes the states by 0.25 x 1 + 0.0312 x 0.6 + 0.1 and by 0.25 x 0.6. Stage costs: 1/2 (1 + 1 + 0.5 x 0.36)
    and 1/2 (1 + 0.15^2 + 0.5 x 0.36)."""
    network = chain(3)
    assert network.input_sizes(1) == pytest.approx([0.6])
    assert network.cost_size == pytest.approx(1.09)
    assert network.operating_cost == pytest.approx(0.5 * (1.0 + 0.0225 + 0.18))
    layout, _ = network.parameters(1)
    sizes = layout.unpack(network.parameter_sizes(1))
    assert sizes['V0'] == pytest.approx([1.09]) and sizes['f'] == pytest.approx([1.09, 1.09, 1.09 / 0.6])
    change = 3.0 * np.array([0.25 + 0.0312 * 0.6 + 0.1, 0.15])
    assert sizes['b'] == pytest.approx(change) and sizes['x_lb'] == pytest.approx(1.0)
    for name in ('A', 'A_0', 'A_2'):
        assert sizes[name] == pytest.approx(np.outer(change, [1.0, 1.0]))
    assert sizes['B'] == pytest.approx(change[:, None] / 0.6)


def test_sizes_of_an_area_by_hand():
    """Area 1: angle bound 0.1, input bound 0.2, a control step of 1 s. In operation the loads, at most 0.15, 0.15, 0.12
    and 0.28, with noise of 0.1, exceed the bounds 0.2, 0.1 and 0.1 of all inputs but the third one, 0.3; the angle is
    the power over the sum of the estimates of the lines, at most 0.1."""
    grid = power_grid()
    powers = np.array([0.2, 0.1, 0.22, 0.1])
    angles = np.minimum(powers / [sum(data.estimates.values()) for data in grid.local], 0.1)
    assert grid.cost_size == pytest.approx(np.mean(500.01 * angles**2 + 20.01 * powers**2))
    sizes = grid.parameters(0)[0].unpack(grid.parameter_sizes(0))
    assert sizes['V0'] == pytest.approx([grid.cost_size])
    assert sizes['P_1'] == pytest.approx([0.6]) and sizes['b'] == pytest.approx(0.3 * np.array([1.0, 1.0, 2.0, 2.0]))
    assert sizes['Q_x'][0] == pytest.approx(0.3 * np.sqrt(500.0 * np.array([500.0, 0.1, 0.1, 10.0])))
    assert grid.input_sizes(2) == pytest.approx([0.3])


@pytest.mark.parametrize(
    ('lower', 'upper', 'size'),
    [(-1.0, 2.0, 2.0), (19.0, 21.0, 2.0), (0.0, INF, 0.0), (-INF, 5.0, 5.0), (-INF, INF, 0.0), (3.0, 3.0, 3.0)],
)
def test_the_size_of_bounds_is_their_range_or_their_magnitude(lower, upper, size):
    assert bound_size(np.array([lower]), np.array([upper])) == pytest.approx([size])


def sizes_of(initial=(0.0, 0.0), noise=(0.0, 0.0), state_bound=(0.0, 0.0), input_bound=0.0, horizon=2):
    """Sizes of a double integrator with the step 0.25: A = [[1, 0.25], [0, 1]], B = (0, 0.25)."""
    return VariableSizes(
        a=np.array([[1.0, 0.25], [0.0, 1.0]]),
        b=np.array([[0.0], [0.25]]),
        initial_state=np.array(initial),
        noise=np.array(noise),
        state_bound=np.array(state_bound),
        input_bound=np.array([input_bound]),
        horizon=horizon,
    )


def test_without_noise_and_first_state_the_sizes_are_those_that_the_inputs_reach():
    """An input of 2 moves the second state by 0.5 in each of two steps, and the first one by 0.25 x 0.5 in the last."""
    found = sizes_of(input_bound=2.0)
    assert found.inputs == pytest.approx([2.0])
    assert found.states == pytest.approx([0.125, 1.0])
    assert found.undriven == pytest.approx(found.states)
    assert found.changes == pytest.approx([0.25 * 1.0, 0.25 * 2.0])


def test_inputs_are_as_large_as_the_first_state_and_the_noise_need():
    """The noise of 0.02 in two steps and a first state of -0.1 make 0.14; 0.14 / 0.25 = 0.56 moves the state by it."""
    found = sizes_of(initial=(0.3, -0.1), noise=(0.0, 0.02), input_bound=2.0)
    assert found.undriven == pytest.approx([0.3, 0.14])
    assert found.inputs == pytest.approx([0.56])
    assert found.states == pytest.approx([0.3, 0.28])
    assert found.changes == pytest.approx([0.25 * 0.28, 0.14 + 0.02])


def test_bounds_limit_the_sizes_and_those_out_of_reach_do_not_count():
    found = sizes_of(initial=(3.0, 0.0), state_bound=(1.0, 100.0), input_bound=2.0)
    assert found.states == pytest.approx([1.0, 1.0])
    assert sizes_of(initial=(3.0, 0.0), input_bound=2.0).states == pytest.approx([3.0, 1.0])


def test_where_nothing_is_known_the_size_is_one():
    found = sizes_of(horizon=3)
    assert found.inputs == pytest.approx([1.0]) and (found.states > 0.0).all() and (found.changes > 0.0).all()


def test_parameters_of_a_scalar_coupling_have_the_size_that_changes_a_state_most():
    """Pattern [[0, 0], [0.25, 0]] of a neighbour whose first state has the size 1; three times 0.15 is 0.45."""
    network = chain(3, 'mallick2025')
    layout, _ = network.parameters(1)
    (pattern, _) = network.local[1].coupling.values()
    strongest = np.abs(pattern) @ np.ones(2) / (3.0 * np.array([0.25 + 0.0312 * 0.6 + 0.1, 0.15]))
    assert layout.unpack(network.parameter_sizes(1))['ac'] == pytest.approx([1.0 / strongest.max()])


@pytest.mark.parametrize('variant', ['mallick2024', 'mallick2025'])
def test_sizes_follow_the_units(variant):
    x, u, cost = np.array([1e3, 1e-2]), 1e4, 1e-5
    plain, other = in_units([1.0, 1.0], 1.0, 1.0, variant), in_units(x, u, cost, variant)
    assert other.cost_size == pytest.approx(cost * plain.cost_size)
    assert other.input_sizes(0) == pytest.approx(u * plain.input_sizes(0))
    layout, theta = other.parameters(0)
    _, plain_theta = plain.parameters(0)
    ratio = layout.unpack(other.parameter_sizes(0) / plain.parameter_sizes(0))
    for name, factor in layout.unpack(theta).items():
        before = layout.unpack(plain_theta)[name]
        moved = before != 0.0  # the factor by which the units change a parameter is that of its size
        assert ratio[name][moved] == pytest.approx(factor[moved] / before[moved])
    assert ratio['V0'] == pytest.approx([cost]) and ratio['b'] == pytest.approx(x)
    assert ratio['f'] == pytest.approx(cost / np.append(x, u))


@cache
def learning(states, inputs, cost, exploration):
    """Steps of the chain in these units, with its closed loop."""
    settings = Settings(seed=3, learning__exploration=exploration)
    loop = ClosedLoop(in_units(states, inputs, cost), settings)
    return list(loop.run(12)), loop


@pytest.mark.parametrize('exploration', [False, True])
@pytest.mark.parametrize(
    ('states', 'inputs', 'cost'),
    [
        ([1.0, 1.0], 1e3, 1.0),
        ([1.0, 1.0], 1e6, 1.0),
        ([1.0, 1.0], 1e-6, 1.0),
        ([1.0, 1.0], 1.0, 1e6),
        ([1e3, 1.0], 1.0, 1e-3),
    ],
    ids=['1e3', '1e6', '1e-6', 'cost', 'mixed'],
)
def test_a_network_learns_alike_in_other_units(states, inputs, cost, exploration):
    found, loop = learning(tuple(states), inputs, cost, exploration)
    expected, _ = learning((1.0, 1.0), 1.0, 1.0, exploration)
    for step, same in zip(found, expected, strict=True):
        assert not any(step.faults)
        assert step.costs / cost == pytest.approx(same.costs, rel=1e-6, abs=1e-6)
        assert step.actions / inputs == pytest.approx(same.actions, rel=1e-6, abs=1e-6)
    assert loop.agents[0].updates == 6
