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
from dmpcrl_ros.systems.linear.sizes import bound_size, variable_sizes
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
    """Bounds [0, 1] and [-1, 1] of the states, 1 of the input: all sizes are one, and a stage cost at these sizes is
    1/2 (1 + 1 + 0.5) = 1.25."""
    network = chain(3)
    assert network.cost_size == pytest.approx(1.25)
    layout, _ = network.parameters(1)
    sizes = layout.unpack(network.parameter_sizes(1))
    assert sizes['V0'] == pytest.approx([1.25]) and sizes['f'] == pytest.approx([1.25] * 3)
    for name in ('x_lb', 'x_ub', 'b', 'A', 'B', 'A_0', 'A_2'):
        assert sizes[name] == pytest.approx(1.0)


def test_sizes_of_an_area_by_hand():
    """Area 1: angle bound 0.1, input bound 0.2, a control step of 1 s; cost of an area
    500 x 0.1^2 + 0.01 x 0.1^2 + (0.01 + 10) u^2 + 10 u^2 for the inputs 0.2, 0.1, 0.3, 0.1, on average."""
    grid = power_grid()
    expected = np.mean([5.0 + 1e-4 + 20.01 * u**2 for u in (0.2, 0.1, 0.3, 0.1)])
    assert grid.cost_size == pytest.approx(expected)
    sizes = grid.parameters(0)[0].unpack(grid.parameter_sizes(0))
    assert sizes['P_1'] == pytest.approx([2.0]) and sizes['b'] == pytest.approx([1.0, 1.0, 2.0, 2.0])
    assert sizes['Q_x'][0] == pytest.approx([500.0, np.sqrt(50.0), np.sqrt(50.0), np.sqrt(5000.0)])
    assert grid.input_sizes(2) == pytest.approx([0.3])


@pytest.mark.parametrize(
    ('lower', 'upper', 'size'),
    [(-1.0, 2.0, 2.0), (19.0, 21.0, 2.0), (0.0, INF, 0.0), (-INF, 5.0, 5.0), (-INF, INF, 0.0), (3.0, 3.0, 3.0)],
)
def test_the_size_of_bounds_is_their_range_or_their_magnitude(lower, upper, size):
    assert bound_size(np.array([lower]), np.array([upper])) == pytest.approx([size])


def without_bounds(**changes):
    described = description(1)
    (agent,) = described['agents']
    agent['bounds'] = {'input': {'lower': [-INF], 'upper': [INF]}} | changes.pop('bounds', {})
    agent |= {'parameters': {}} | changes
    (data,) = from_description(described).local
    return data


def test_without_bounds_the_size_is_that_of_the_first_state_or_of_what_the_inputs_reach():
    """First model: B = (0.0312, 0.25), A = [[1, 0.25], [0, 1]]. Two steps of an input of at most 2 move the states by
    0.0312 x 2 + |0.0312 + 0.25 x 0.25| x 2 = 0.2498 and 0.25 x 2 x 2 = 1. A first state of (-0.3, 0) stays as it is."""
    data = without_bounds(bounds={'input': {'lower': [-2.0], 'upper': [2.0]}})
    states, inputs = variable_sizes(data, np.array([0.0, 0.0]), 2)
    assert states == pytest.approx([0.2498, 1.0]) and inputs == pytest.approx([2.0])
    states, _ = variable_sizes(data, np.array([-0.3, 0.0]), 2)
    assert states == pytest.approx([0.5498, 1.0])


def test_a_bound_that_is_out_of_reach_is_no_size():
    bounds = {'input': {'lower': [-2.0], 'upper': [2.0]}, 'state': {'lower': [-100.0, -0.5], 'upper': [100.0, 0.5]}}
    states, _ = variable_sizes(without_bounds(bounds=bounds), np.zeros(2), 2)
    assert states == pytest.approx([0.2498, 0.5])


def test_an_input_without_bounds_has_the_size_that_moves_a_state_by_its_own():
    data = without_bounds(bounds={'state': {'lower': [-3.0, -1.0], 'upper': [3.0, 1.0]}})
    states, inputs = variable_sizes(data, np.zeros(2), 10)
    assert states == pytest.approx([3.0, 1.0]) and inputs == pytest.approx([1.0 / 0.25])


def test_where_nothing_is_known_the_size_is_one():
    states, inputs = variable_sizes(without_bounds(), np.zeros(2), 3)
    assert inputs == pytest.approx([1.0]) and (states > 0.0).all()


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
    settings = Settings(seed=3, learning__order='robust', learning__exploration=exploration)
    loop = ClosedLoop(in_units(states, inputs, cost), settings)
    return list(loop.run(12)), loop


@pytest.mark.parametrize('exploration', [False, True])
@pytest.mark.parametrize(
    ('states', 'inputs', 'cost'),
    [([1.0, 1.0], 1e3, 1.0), ([1.0, 1.0], 1e-3, 1.0), ([1.0, 1.0], 1.0, 1e6), ([1e3, 1.0], 1.0, 1e-3)],
    ids=['kN', 'mN', 'cost', 'mixed'],
)
def test_a_network_learns_alike_in_other_units(states, inputs, cost, exploration):
    found, loop = learning(tuple(states), inputs, cost, exploration)
    expected, _ = learning((1.0, 1.0), 1.0, 1.0, exploration)
    for step, same in zip(found, expected, strict=True):
        assert not any(step.faults)
        assert step.costs / cost == pytest.approx(same.costs, rel=1e-6, abs=1e-6)
        assert step.actions / inputs == pytest.approx(same.actions, rel=1e-6, abs=1e-6)
    assert loop.agents[0].updates == 6
