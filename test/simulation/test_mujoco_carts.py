# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The system of the simulated carts: true to their model, within its limits, and one in which learning pays."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.linalg import expm

pytest.importorskip('mujoco', reason='MuJoCo is not installed: pip install --no-deps -r requirements/physics.txt')

import mujoco  # noqa: E402

from dmpcrl_ros.settings.run import Settings  # noqa: E402
from dmpcrl_ros.simulation.closed_loop import ClosedLoop  # noqa: E402
from dmpcrl_ros.systems.files import load_system  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def simulator():
    """The simulator's own module, which stands outside of the package."""
    spec = importlib.util.spec_from_file_location('carts', ROOT / 'simulators/mujoco_carts/carts.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CARTS = simulator()
NETWORK = load_system(ROOT / 'config/mujoco_carts.yaml')


class CartsPlant:
    """The simulated carts as the plant of a closed loop."""

    def __init__(self, seed):
        self.carts = CARTS.Carts(seed)
        self.lower, self.upper = NETWORK.stacked('state_lower'), NETWORK.stacked('state_upper')
        self.weights = [NETWORK.stacked(name) for name in ('state_weight', 'violation_weight', 'input_weight')]

    @property
    def state(self):
        return np.column_stack([self.carts.positions, self.carts.velocities]).ravel()

    def observe(self):
        return [self.state[part] for part in NETWORK.state_parts], NETWORK.exogenous_at(0)

    def step(self, actions):
        action, state = np.concatenate(actions), self.state
        violation = np.maximum(self.lower - state, 0.0) + np.maximum(state - self.upper, 0.0)
        of_states, of_violations, of_inputs = self.weights
        self.carts.advance(action, NETWORK.period)
        return 0.5 * (
            (of_states * state**2 + of_violations * violation).reshape(3, 2).sum(axis=1) + of_inputs * action**2
        )


def closed_loop(seed, learn, steps, thetas=None, **settings):
    """Agents and total cost; gusts and exploration of a seed."""
    loop = ClosedLoop(NETWORK, Settings(seed=seed, learn=learn, **settings))
    loop.plant = CartsPlant(seed)
    for agent, theta in zip(loop.agents, thetas or [], strict=bool(thetas)):
        agent.mpc.theta = theta
    transitions = list(loop.run(steps))
    assert not any(any(each.faults) for each in transitions)
    return loop.agents, sum(each.costs.sum() for each in transitions)


def continuous():
    """dx/dt = A x + B u of the model without dry friction, states (position, velocity) cart by cart."""
    model = mujoco.MjModel.from_xml_path(str(CARTS.MODEL))
    model.dof_frictionloss[:] = 0.0
    data = mujoco.MjData(model)

    def acceleration(x, u):
        data.qpos[:], data.qvel[:], data.ctrl[:] = x[::2], x[1::2], u
        mujoco.mj_forward(model, data)
        return data.qacc.copy()

    a, b = np.zeros((6, 6)), np.zeros((6, 3))
    a[[0, 2, 4], [1, 3, 5]] = 1.0
    a[1::2] = 1e3 * np.column_stack([acceleration(1e-3 * x, np.zeros(3)) for x in np.eye(6)])
    b[1::2] = np.column_stack([acceleration(np.zeros(6), u) for u in np.eye(3)])
    return a, b


def test_the_dynamics_of_the_system_are_those_of_the_model():
    a, b = continuous()
    exact = expm(NETWORK.period * np.block([[a, b], [np.zeros((3, 9))]]))[:6]
    described = np.hstack([NETWORK.a, NETWORK.b])
    kept = described != 0.0
    np.testing.assert_allclose(described[kept], exact[kept], atol=6e-6)  # rounded to five decimals
    assert np.abs(exact[~kept]).max() < 1.5e-3  # left out: beyond the neighbours in a step


def test_the_system_begins_where_the_simulator_does_and_spares_its_motors():
    carts = CARTS.Carts(1)
    assert NETWORK.names == carts.names
    assert NETWORK.initial_state[::2].tolist() == carts.positions.tolist()
    bridge = yaml.safe_load((ROOT / 'config/mujoco_carts_bridge.yaml').read_text())
    for agent, data, (low, high) in zip(bridge['agents'], NETWORK.local, carts.model.actuator_ctrlrange, strict=True):
        sent = agent['input'][0]['saturation']
        assert low < sent[0] == data.input_lower[0] < data.input_upper[0] == sent[1] < high


def test_a_minute_of_learning_helps_on_gusts_that_were_not_learned_from():
    agents, _ = closed_loop(1, True, 600)
    thetas = [agent.mpc.theta for agent in agents]
    for seed in (301, 302):
        _, untrained = closed_loop(seed, False, 100)
        _, learned = closed_loop(seed, False, 100, thetas)
        assert learned < 0.3 * untrained


@pytest.mark.parametrize('seed', [1, 2])
def test_reactions_certify_every_step_where_free_inputs_hardly_move_a_row_on_its_bound(seed):
    """Positions on their bounds two steps after a given input, which moves them a thousand times as far as the free
    ones: a compliance of such a row made multipliers alternate (first at steps 73 and 39)."""
    closed_loop(seed, True, 100, coordination='reactions')
