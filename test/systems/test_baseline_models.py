# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Controllers that do not learn: models and scenarios as parameters of the same problem."""

import copy

import numpy as np
import pytest
from helpers import DIRECTED, directed_network

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.linear.chain import chain, description
from dmpcrl_ros.systems.linear.description import from_description
from dmpcrl_ros.systems.linear.formulation import parameter_layout

INEXACT = {'A': [[1.0, 0.25], [0.0, 1.0]], 'B': [[0.0312], [0.25]], 'A_0': [[0.0, 0.0], [0.0, 0.0]]}
EXACT = {'A': [[0.9, 0.35], [0.0, 1.1]], 'B': [[0.0813], [0.2]], 'A_0': [[0.0, 0.0], [0.0, -0.1]]}


def named(network, index, values):
    return parameter_layout(network.local[index], network.structure).unpack(values)


def drawn(network, index, **changes):
    return network.sample_deviations(index, **({'exact': False, 'count': 400, 'seed': 1} | changes))


@pytest.mark.parametrize('exact, model', [(False, INEXACT), (True, EXACT)])
def test_a_model_and_no_offsets(exact, model):
    """The chain starts learning with an upper bound of the first state that is too high by one: not so these."""
    network = chain(3)
    parts = named(network, 1, network.model_parameters(1, exact=exact))
    assert {name: parts[name].tolist() for name in model} == model
    assert parts['A_2'].tolist() == model['A_0']
    assert not any(parts[name].any() for name in ('V0', 'x_lb', 'x_ub', 'b', 'f'))


def test_the_model_of_the_chain_with_one_scalar_of_coupling():
    network = chain(3, 'mallick2025')
    inexact, exact = (named(network, 1, network.model_parameters(1, exact=e)) for e in (False, True))
    assert inexact['ac'] == 0.0 and exact['ac'] == pytest.approx(-0.1)
    assert exact['A'].tolist() == EXACT['A'] and exact['w'].tolist() == [500.0, 500.0]


def test_the_published_uncertainty_of_the_chain():
    network = chain(3)
    parts = parameter_layout(network.local[1], network.structure).slices
    found = drawn(network, 1, count=4000)
    assert found.shape == (4000, 24)
    expected = {
        'A': ([-0.1, -0.1, 0.0, -0.1], [0.1, 0.1, 0.0, 0.1]),
        'B': ([0.0, -0.075], [0.075, 0.0]),
        'A_0': ([0.0, 0.0, 0.0, -0.1], [0.0] * 4),
        'A_2': ([0.0, 0.0, 0.0, -0.1], [0.0] * 4),
        'b': ([-0.1, 0.0], [0.0, 0.0]),
    }
    for name, part in parts.items():
        lower, upper = expected.get(name, (0.0, 0.0))
        assert found[:, part].min(axis=0) == pytest.approx(lower, abs=1e-3), name
        assert found[:, part].max(axis=0) == pytest.approx(upper, abs=1e-3), name


def test_with_the_exact_model_scenarios_differ_in_their_disturbance_only():
    network = chain(3)
    part = parameter_layout(network.local[0], network.structure).slices['b']
    uncertain, known = drawn(network, 0), drawn(network, 0, exact=True)
    assert np.array_equal(uncertain[:, part], known[:, part]) and np.ptp(known[:, part], axis=0)[0] > 0.09
    known[:, part] = 0.0
    assert not known.any()


def test_draws_depend_on_seed_and_agent_and_on_nothing_else():
    network = chain(3)
    first = drawn(network, 0)
    assert np.array_equal(drawn(network, 0), first)
    assert np.array_equal(drawn(network, 0, count=7), first[:7])
    assert not np.array_equal(drawn(network, 2), first)
    assert not np.array_equal(drawn(network, 0, seed=2), first)


def test_one_scalar_of_coupling_is_drawn_from_its_interval():
    network = chain(3, 'mallick2025')
    part = parameter_layout(network.local[1], network.structure).slices['ac']
    found = drawn(network, 1, count=4000)[:, part]
    assert (found.min(), found.max()) == pytest.approx((-0.1, 0.0), abs=1e-3)


def test_without_a_described_uncertainty_the_model_is_certain():
    network = directed_network()
    for index in range(3):
        assert np.array_equal(drawn(network, index), drawn(network, index, exact=True))


def uncertain(agent, **sides):
    changed = copy.deepcopy(DIRECTED)
    changed['agents'][agent]['uncertainty'] = sides
    return changed


@pytest.mark.parametrize(
    'sides, message',
    [
        ({'lower': {'A': [[0.1]]}}, r'agent tank: uncertainty\.lower\.A is 1 x 1, expected 2 x 2'),
        ({'upper': {'B': [[0.1], [-0.1]]}}, r'agent tank: uncertainty\.lower\.B lies above uncertainty\.upper\.B'),
        ({'lower': {'neighbours': {'heater': [[0.1, 0, 0], [0, 0, 0]]}}}, r'lower\.neighbours\.heater lies above'),
        (
            {'lower': {'neighbours': {'valve': [[0.1], [0.0]]}}},
            "neighbours names 'valve', which is not one of its neighbours",
        ),
        ({'upper': {'A': [[0.1, float('nan')], [0.0, 0.0]]}}, r'uncertainty\.upper\.A contains NaN'),
        ({'middle': {}}, 'agent tank: uncertainty'),
    ],
)
def test_an_uncertainty_that_does_not_fit_is_named(sides, message):
    with pytest.raises(NetworkError, match=message):
        from_description(uncertain(0, **sides))


@pytest.mark.parametrize('section', ['dynamics', 'uncertainty'])
def test_coupling_that_one_scalar_cannot_describe_is_named(section):
    changed = description(3, 'mallick2025')
    place = changed['agents'][1]
    place = place['dynamics'] if section == 'dynamics' else place['uncertainty']['lower']
    place['neighbours'] = place['neighbours'] | {'agent_1': [[0.0, 0.0], [-0.05, -0.1]]}
    network = from_description(changed)
    with pytest.raises(NetworkError, match='agent agent_2: with scalar_coupling'):
        if section == 'dynamics':
            network.model_parameters(1, exact=True)
        else:
            drawn(network, 1)
