# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The areas together are the centralised controller of the grid."""

import numpy as np
import pytest
from helpers import agents_of, central_of, gradient_of, initial_thetas, perturbed, relative, split

from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.power_grid.description import grid_from_description
from dmpcrl_ros.systems.power_grid.four_areas import description, power_grid

GRIDS = {
    'published': power_grid(),
    'terminal cost': grid_from_description(description() | {'mpc': description()['mpc'] | {'terminal_cost': True}}),
}
LOADS = np.array([0.15, -0.15, -0.12, 0.28])


def evaluated(agents, states, actions, loads):
    found, _ = run_lockstep(
        [agent.evaluate(*each) for agent, *each in zip(agents, states, actions, loads, strict=True)]
    )
    assert not any(each.failure for each in found), [each.failure for each in found]
    return found


@pytest.mark.parametrize('function', ['V', 'Q'])
@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('name', GRIDS)
def test_actions_values_and_gradients_are_the_centralised_ones(name, seed, function):
    grid, draw = GRIDS[name], np.random.default_rng(seed)
    thetas = perturbed(initial_thetas(grid), draw, 0.01)
    state = (draw.uniform(-1, 1, (4, 4)) * [0.09, 0.02, 0.2, 0.2]).ravel()
    action = draw.uniform(-1, 1, 4) * grid.stacked('input_upper')
    agents, twin = agents_of(grid, thetas, admm__iterations=500), central_of(grid, thetas)
    actions = split(action, grid.input_parts) if function == 'Q' else [None] * 4
    found = evaluated(agents, split(state, grid.state_parts), actions, LOADS[:, None])
    (expected,) = evaluated([twin], [state], [action if function == 'Q' else None], [LOADS])
    assert sum(each.value for each in found) == pytest.approx(expected.value, rel=1e-11)
    inputs = np.concatenate([a.mpc.action(e.solution) for a, e in zip(agents, found, strict=True)])
    assert np.abs(inputs - twin.mpc.action(expected.solution)).max() < 1e-8
    gradient = twin.mpc.sensitivities(expected.solution).gradient
    assert relative(gradient_of(agents, found), gradient) < 1e-7
