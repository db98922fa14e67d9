# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Networks in continuous time, against a fine integration of their differential equation."""

import numpy as np
import pytest

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.description import from_description

# Two carts with a spring between them: x' = v, m v' = -k (x - x_other) - d v + u.
TIME = 0.4
OWN = [[0.0, 1.0], [-2.0, -0.3]]
BY_OTHER = [[0.0, 0.0], [2.0, 0.0]]
INPUT = [[0.0], [1.5]]


def carts(**mpc):
    def cart(name, other):
        return {
            'name': name,
            'dynamics': {'A': OWN, 'B': INPUT, 'neighbours': {other: BY_OTHER}},
            'initial_state': [0.2, 0.0],
            'bounds': {'input': {'lower': [-1.0], 'upper': [1.0]}},
            'cost': {'state': [1.0, 1.0], 'input': [1.0]},
        }

    return from_description(
        {
            'name': 'carts',
            'mpc': {'horizon': 3, 'discount': 0.9, 'continuous_time': True} | mpc,
            'agents': [cart('left', 'right'), cart('right', 'left')],
        }
    )


def integrated(derivative, state, time=TIME, count=4000):
    """State after this time, by the classical method of Runge and Kutta with short steps."""
    h = time / count
    for _ in range(count):
        k1 = derivative(state)
        k2 = derivative(state + 0.5 * h * k1)
        k3 = derivative(state + 0.5 * h * k2)
        state = state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * derivative(state + 0.5 * h * k2) + derivative(state + h * k3))
    return state


def test_the_plant_is_exact():
    """Also the effect of an input on the other cart within the step."""
    network = carts(sampling_time=TIME)
    a = np.block([[np.array(OWN), np.array(BY_OTHER)], [np.array(BY_OTHER), np.array(OWN)]])
    b = np.kron(np.eye(2), INPUT)
    state, action = np.array([0.3, -0.2, -0.1, 0.5]), np.array([0.7, -0.4])
    expected = integrated(lambda x: a @ x + b @ action, state)
    plant = network.plant(1)
    plant.state = state
    plant.step(np.split(action, 2))
    assert plant.state == pytest.approx(expected, abs=1e-10)
    assert abs(network.b[0, 1]) > 1e-4


def test_a_model_holds_the_neighbours_within_a_step():
    data = carts(sampling_time=TIME).local[0]
    state, other, action = np.array([0.3, -0.2]), np.array([-0.1, 0.5]), np.array([0.7])
    held = np.array(BY_OTHER) @ other + np.array(INPUT) @ action
    expected = integrated(lambda x: np.array(OWN) @ x + held, state)
    found = data.model_a @ state + data.model_b @ action + data.coupling[1] @ other
    assert found == pytest.approx(expected, abs=1e-10)


def test_the_control_step_is_the_period_of_the_clock():
    assert carts(sampling_time=TIME).period == TIME
    assert carts(sampling_time=0.05, continuous_time=False).period == 0.05


def test_a_sampling_time_is_needed():
    with pytest.raises(NetworkError, match=r'mpc.continuous_time needs mpc.sampling_time'):
        carts()


def test_matrices_that_cannot_be_discretised_are_refused():
    with pytest.raises(NetworkError, match=r'not finite: check mpc.sampling_time and the matrices of dx/dt'):
        carts(sampling_time=1e200)


def test_agents_bring_the_carts_to_rest():
    steps = list(ClosedLoop(carts(sampling_time=TIME), Settings(learn=False)).run(60))
    assert np.abs(steps[0].states).max() == 0.2 and np.abs(steps[-1].states).max() < 1e-3
