# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The academic chain, its numbers written down by hand from the publications."""

import dataclasses

import numpy as np
import pytest

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.linear.chain import chain, description
from dmpcrl_ros.systems.linear.formulation import initial_parameters, parameter_layout

MODEL = {'A': [[1.0, 0.25], [0.0, 1.0]], 'B': [[0.0312], [0.25]]}


def named(network, index):
    data, structure = network.local[index], network.structure
    parts = parameter_layout(data, structure).unpack(initial_parameters(data, structure))
    return {name: value.tolist() for name, value in parts.items()}


@pytest.mark.parametrize('variant', ['mallick2024', 'mallick2025'])
def test_the_plant_is_that_of_both_papers(variant):
    network = chain(3, variant)
    assert network.a.tolist() == [
        [0.9, 0.35, 0.0, 0.00, 0.0, 0.00],
        [0.0, 1.10, 0.0, -0.1, 0.0, 0.00],
        [0.0, 0.00, 0.9, 0.35, 0.0, 0.00],
        [0.0, -0.1, 0.0, 1.10, 0.0, -0.1],
        [0.0, 0.00, 0.0, 0.00, 0.9, 0.35],
        [0.0, 0.00, 0.0, -0.1, 0.0, 1.10],
    ]
    expected = np.zeros((6, 3))
    expected[[0, 2, 4], [0, 1, 2]], expected[[1, 3, 5], [0, 1, 2]] = 0.0813, 0.2
    assert network.b.tolist() == expected.tolist()
    assert network.noise_lower.tolist() == [-0.1, 0.0] * 3 and network.noise_upper.tolist() == [0.0] * 6
    assert network.initial_state.tolist() == [0.0, 0.15] * 3
    assert network.graph.parents == ((1,), (0, 2), (1,))
    for data in network.local:
        assert data.state_lower.tolist() == [0.0, -1.0] and data.state_upper.tolist() == [1.0, 1.0]
        assert data.input_lower.tolist() == [-1.0] and data.input_upper.tolist() == [1.0]
        assert data.state_weight.tolist() == [1.0, 1.0] and data.input_weight.tolist() == [0.5]


@pytest.mark.parametrize('variant, weight', [('mallick2024', 120.0), ('mallick2025', 500.0)])
def test_the_weight_of_violations(variant, weight):
    assert all(data.violation_weight.tolist() == [weight, weight] for data in chain(3, variant).local)


def test_the_first_parameters_of_001():
    ends = {'V0': [0.0], 'x_lb': [0.0, 0.0], 'x_ub': [1.0, 0.0], 'b': [0.0, 0.0], 'f': [0.0, 0.0, 0.0]} | MODEL
    none = [[0.0, 0.0], [0.0, 0.0]]
    network = chain(3, 'mallick2024')
    assert named(network, 0) == ends | {'A_1': none}
    assert named(network, 1) == ends | {'A_0': none, 'A_2': none}
    assert named(network, 2) == ends | {'A_1': none}


def test_the_first_parameters_of_000():
    expected = {
        'V0': [0.0],
        'x_lb': [0.0, 0.0],
        'x_ub': [0.0, 0.0],
        'b': [0.0, 0.0],
        'f': [0.0, 0.0, 0.0],
        'Q': [1.0, 1.0],
        'R': [1.0],
        'w': [500.0, 500.0],
        'ac': [0.0],
    } | MODEL
    network = chain(3, 'mallick2025')
    assert all(named(network, index) == expected for index in range(3))


@pytest.mark.parametrize(
    'variant, structure',
    [
        (
            'mallick2024',
            {
                'horizon': 10,
                'discount': 0.9,
                'first_bounded_stage': 1,
                'terminal_cost': False,
                'learn_weights': False,
                'scalar_coupling': False,
            },
        ),
        (
            'mallick2025',
            {
                'horizon': 10,
                'discount': 0.9,
                'first_bounded_stage': 0,
                'terminal_cost': True,
                'learn_weights': True,
                'scalar_coupling': True,
            },
        ),
    ],
)
def test_the_structure_of_the_mpc(variant, structure):
    in_steps = {'sampling_time': 0.1, 'continuous_time': False}
    assert dataclasses.asdict(chain(3, variant).structure) == structure | in_steps


@pytest.mark.parametrize(
    'variant, defaults',
    [
        (
            'mallick2024',
            {
                'rho': 0.5,
                'admm_iterations': 50,
                'learning_rate': 6e-5,
                'learning_rate_decay': 0.9996,
                'update_every': 2,
                'replay_capacity': 100,
                'replay_sample': 15,
                'replay_latest': 10,
                'exploration_probability': 0.7,
                'exploration_decay': 0.99,
                'exploration_strength': 1.0,
            },
        ),
        (
            'mallick2025',
            {
                'rho': 1.0,
                'admm_iterations': 100,
                'learning_rate': 1e-8,
                'learning_rate_decay': 1.0,
                'update_every': 1,
                'replay_capacity': 100,
                'replay_sample': 15,
                'replay_latest': 10,
                'exploration_probability': 0.0,
            },
        ),
    ],
)
def test_the_published_constants_of_coordination_and_learning(variant, defaults):
    assert defaults.items() <= dataclasses.asdict(chain(3, variant).defaults).items()


@pytest.mark.parametrize('n_agents', [1, 2, 7])
def test_a_chain_of_any_length(n_agents):
    network = chain(n_agents)
    assert network.n_agents == n_agents and network.names[-1] == f'agent_{n_agents}'
    assert network.a.shape == (2 * n_agents, 2 * n_agents) and network.b.shape == (2 * n_agents, n_agents)
    assert np.count_nonzero(np.diag(network.a, 2)) == n_agents - 1


def test_an_agent_is_found_by_its_name_and_an_unknown_name_is_not():
    network = chain(3)
    assert network.index('agent_2') == 1
    with pytest.raises(NetworkError, match="no agent 'agent_4'"):
        network.index('agent_4')


def test_an_unknown_variant_is_refused():
    with pytest.raises(NetworkError, match="no variant '002'"):
        description(3, '002')


@pytest.mark.parametrize('n_agents', [0, -1])
def test_a_chain_without_agents_is_refused(n_agents):
    with pytest.raises(NetworkError, match='at least one agent'):
        chain(n_agents)
