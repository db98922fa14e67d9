# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Weight of the last predicted state: given, or of the Riccati equation."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from helpers import directed_network

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import description
from dmpcrl_ros.systems.linear.description import from_description

A, B = np.array([[1.0, 0.1], [0.0, 0.98]]), np.array([[0.005], [0.1]])
W, R, GAMMA = np.array([1.0, 0.2]), np.array([0.3]), 0.95


def cart(terminal=None, horizon=3, **changes):
    """One agent with an exact model, far from its bounds."""
    cost = {'state': W.tolist(), 'input': R.tolist()} | ({} if terminal is None else {'terminal': terminal})
    return from_description(
        {
            'name': 'cart',
            'mpc': {'horizon': horizon, 'discount': GAMMA} | changes,
            'agents': [
                {
                    'name': 'cart',
                    'dynamics': {'A': A.tolist(), 'B': B.tolist()},
                    'initial_state': [0.3, -0.1],
                    'bounds': {'input': {'lower': [-50.0], 'upper': [50.0]}},
                    'cost': cost,
                }
            ],
        }
    )


def value_iteration(steps=5000):
    """P of the discounted cost 1/2 sum gamma^k (x'Wx + u'Ru), by its recursion."""
    p = np.zeros((2, 2))
    for _ in range(steps):
        gain = np.linalg.solve(np.diag(R) + GAMMA * B.T @ p @ B, GAMMA * B.T @ p @ A)
        closed = A - B @ gain
        p = np.diag(W) + gain.T @ np.diag(R) @ gain + GAMMA * closed.T @ p @ closed
    return p


def test_the_riccati_weight_is_that_of_value_iteration():
    (data,) = cart('riccati').local
    assert data.terminal_weight == pytest.approx(value_iteration(), rel=1e-9)


@pytest.mark.parametrize('coordination', ['reactions', 'admm'])
def test_with_the_riccati_weight_a_short_horizon_has_the_value_of_an_endless_one(coordination):
    """V(s) = 1/2 s'Ps for any horizon, and the TD errors of the true model are zero."""
    settings, value = Settings(coordination=coordination, learning__exploration=False, seed=1), value_iteration()
    for horizon in (1, 5):
        loop = ClosedLoop(cart('riccati', horizon), settings)
        steps = list(loop.run(8))
        assert [abs(step.metrics['td_error']) for step in steps] == pytest.approx([0.0] * 8, abs=1e-7)
        for step in steps[:2]:
            gain = np.linalg.solve(np.diag(R) + GAMMA * B.T @ value @ B, GAMMA * B.T @ value @ A)
            assert step.actions == pytest.approx(-gain @ step.states, abs=1e-6)


def test_a_diagonal_of_the_weights_is_the_terminal_cost():
    settings = Settings(learn=False)
    ours, plain, matrix, none = (
        [step.actions.item() for step in ClosedLoop(cart(terminal, **changes), settings).run(3)]
        for terminal, changes in (
            (W.tolist(), {}),
            (None, {'terminal_cost': True}),
            (np.diag(W).tolist(), {'terminal_cost': True}),
            (None, {}),
        )
    )
    assert ours == pytest.approx(plain, abs=1e-9)
    assert ours == pytest.approx(matrix, abs=1e-9)
    assert abs(ours[0] - none[0]) > 1e-3


def test_agents_of_a_network_agree_with_their_twin():
    plain = directed_network()
    local = tuple(replace(data, terminal_weight=np.eye(data.n_states) + 0.2) for data in plain.local)
    network = replace(plain, local=local)
    settings = Settings(learning__exploration=False)
    ours, central = (list(ClosedLoop(network, settings, central=twin).run(6)) for twin in (False, True))
    for step, expected in zip(ours, central, strict=True):
        assert step.actions == pytest.approx(expected.actions, abs=1e-7)


@pytest.mark.parametrize(
    ('terminal', 'message'),
    [
        ([[1.0, 0.5], [0.4, 1.0]], 'cost.terminal must be symmetric, 2 x 2'),
        ([1.0], 'cost.terminal must be symmetric, 2 x 2'),
        ([[1.0, 2.0], [2.0, 1.0]], 'cost.terminal must be positive semidefinite'),
        ('lqr', 'terminal'),
    ],
)
def test_a_weight_that_is_none_is_refused(terminal, message):
    with pytest.raises(NetworkError, match=message):
        cart(terminal)


def test_a_model_without_a_riccati_solution_is_refused():
    """The second state grows by itself and no input reaches it."""
    described = {
        'name': 'cart',
        'mpc': {'horizon': 3, 'discount': 1.0},
        'agents': [
            {
                'name': 'one',
                'dynamics': {'A': [[1.0, 0.0], [0.0, 2.0]], 'B': [[1.0], [0.0]]},
                'initial_state': [0.0, 0.0],
                'bounds': {'input': {'lower': [-1.0], 'upper': [1.0]}},
                'cost': {'state': [1.0, 1.0], 'input': [1.0], 'terminal': 'riccati'},
            }
        ],
    }
    with pytest.raises(NetworkError, match='agent one: cost.terminal: riccati has no solution'):
        from_description(described)


def test_weights_of_the_wrong_sign_are_named_before_the_equation_is_solved():
    described = copy.deepcopy(description(1))
    described['agents'][0]['cost'] |= {'input': [-1.0], 'terminal': 'riccati'}
    with pytest.raises(NetworkError, match='those of inputs must be positive'):
        from_description(described)
