# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The plant: one step by hand, saturation, noise, cost."""

import numpy as np
import pytest
from helpers import directed_network

from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.systems.linear.network import LinearPlant


def step(plant, state, *actions):
    """The stage costs of a step from `state`, and the next state."""
    plant.state = np.array(state)
    return plant.step([np.atleast_1d(action) for action in actions]), plant.state


def test_a_step_of_the_chain_by_hand():
    """x1: 0.9 0.5 + 0.35 0.2 + 0.0813 0.4 = 0.55252; x2: 1.1 0.2 + 0.2 0.4 - 0.1 (-0.3) = 0.33.
    x3: 0.9 0.1 + 0.35 (-0.3) - 0.0813 = -0.0963; x4: 1.1 (-0.3) + 0.2 (-1) - 0.1 0.2 = -0.55."""
    _, found = step(LinearPlant(chain(2), 1), [0.5, 0.2, 0.1, -0.3], 0.4, -1.0)
    assert found[[1, 3]] == pytest.approx([0.33, -0.55], abs=1e-15)
    noise = found[[0, 2]] - [0.55252, -0.0963]
    assert (noise >= -0.1).all() and (noise <= 0.0).all()


def test_inputs_are_saturated_before_they_act_and_before_they_cost():
    """a = 5 acts and costs as a = 1: x2 = 1.1 0.1 + 0.2 = 0.31, cost 1/2 (0.2^2 + 0.1^2 + 0.5 1^2) = 0.275."""
    costs, found = step(LinearPlant(chain(1), 1), [0.2, 0.1], 5.0)
    assert found[1] == pytest.approx(0.31) and costs == pytest.approx([0.275])
    costs, found = step(LinearPlant(chain(1), 1), [0.2, 0.1], -5.0)
    assert found[1] == pytest.approx(-0.09) and costs == pytest.approx([0.275])


@pytest.mark.parametrize('variant, weight', [('mallick2024', 60.0), ('mallick2025', 250.0)])
def test_stage_costs_of_the_chain_by_hand(variant, weight):
    """Agent 1 inside its bounds: 1/2 (0.3^2 + 0.4^2 + 0.5 0.2^2) = 0.135. Agent 2 is 0.1 below the first bound
    and 0.2 above the second: 1/2 (0.1^2 + 1.2^2) + weight 0.3."""
    costs, _ = step(LinearPlant(chain(2, variant), 1), [0.3, -0.4, -0.1, 1.2], 0.2, 0.0)
    assert costs == pytest.approx([0.135, 0.725 + 0.3 * weight], rel=1e-12)


def test_stage_costs_of_unequal_agents_by_hand():
    """tank at (0.6, 0) is 0.1 above: 1/2 (0.36 + 8 0.1) = 0.58, its input 1/2 0.3 0.5^2. valve at 0.75 is 0.2
    above: 1/2 (1.5 0.75^2 + 5 0.2), its inputs 1/2 (0.4 0.2^2 + 0.8 0.1^2). heater rests but for its input."""
    network = directed_network()
    costs, _ = step(LinearPlant(network, 1), [0.6, 0.0, 0.75, 0.0, 0.0, 0.0], 0.5, [0.2, -0.1], 0.3)
    assert costs == pytest.approx([0.58 + 0.0375, 0.421875 + 0.5 + 0.008 + 0.004, 0.5 * 0.5 * 0.09], rel=1e-12)


def test_a_step_of_the_directed_network_by_hand():
    """valve at 1 moves heater, which uses it, by (0.1, 0, -0.15) and not tank; noise is added within its bounds."""
    _, found = step(LinearPlant(directed_network(), 1), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 0.0, [0.0, 0.0], 0.0)
    assert found[[3, 4, 5]] == pytest.approx([0.1, 0.0, -0.15], abs=0.02 + 1e-12) and found[3] == pytest.approx(0.1)
    assert np.abs(found[:2]).max() <= 0.05


def test_noise_lies_within_its_bounds_and_fills_them():
    plant = LinearPlant(chain(2), 4)
    draws = np.array([step(plant, [0.0] * 4, 0.0, 0.0)[1] for _ in range(3000)])
    assert not draws[:, [1, 3]].any()
    noise = draws[:, [0, 2]]
    assert noise.min() >= -0.1 and noise.max() <= 0.0
    assert noise.mean() == pytest.approx(-0.05, abs=5 * 0.1 / np.sqrt(12 * 6000))
    assert noise.min() < -0.0995 and noise.max() > -0.0005
    assert abs(np.corrcoef(noise.T)[0, 1]) < 5 / np.sqrt(3000)


def test_the_same_seed_gives_the_same_noise_and_another_seed_another():
    def run(plant):
        return np.array([plant.step([np.zeros(1)] * 2) is not None and plant.state.copy() for _ in range(20)])

    plant = LinearPlant(chain(2), 5)
    first = run(plant)
    plant.reset(5)
    assert plant.state.tolist() == [0.0, 0.15, 0.0, 0.15]
    assert np.array_equal(run(plant), first)
    assert not np.isclose(run(LinearPlant(chain(2), 6))[:, [0, 2]], first[:, [0, 2]]).all(axis=1).any()


def test_states_belong_to_agents():
    plant = LinearPlant(directed_network(), 1)
    states, exogenous = plant.observe()
    assert [state.tolist() for state in states] == [[0.4, -0.3], [0.5], [0.2, 0.3, -0.2]]
    assert [each.size for each in exogenous] == [0, 0, 0]
    states[0][:] = 9.0
    assert plant.state[0] == 0.4


def test_violation_by_hand():
    violation = chain(1).violation(np.array([[-0.2, 0.0], [0.5, 1.5], [1.25, -1.5]]))
    assert violation == pytest.approx(np.array([[0.2, 0.0], [0.0, 0.5], [0.25, 0.5]]))


def test_a_diverged_plant_says_so():
    plant = LinearPlant(chain(1), 1)
    plant.state = np.array([0.0, 1e308])
    with np.errstate(over='ignore'), pytest.raises(ArithmeticError, match='diverged'):
        for _ in range(10):
            plant.step([np.ones(1)])
