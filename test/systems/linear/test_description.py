# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Networks from YAML: correct ones are read as they stand, others are refused with the place of the error."""

import dataclasses

import numpy as np
import pytest
import yaml
from helpers import DIRECTED, REMOVE, directed_network, with_change

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.linear.chain import chain, description
from dmpcrl_ros.systems.linear.description import from_description, load_network

MODEL = ['agents', 1, 'model']
TRUTH = ['agents', 1, 'dynamics']
AGENT = ['agents', 1]


def changed(path, value, variant='mallick2024'):
    """The description of the chain with one change, by default of agent_2."""
    return with_change(description(3, variant), path, value)


def load(tmp_path, content):
    path = tmp_path / 'network.yaml'
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return load_network(path)


def same(left, right):
    """Deep equality of dataclasses with arrays."""
    if dataclasses.is_dataclass(left):
        return type(left) is type(right) and all(
            same(getattr(left, f.name), getattr(right, f.name)) for f in dataclasses.fields(left)
        )
    if isinstance(left, np.ndarray):
        return np.array_equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@pytest.mark.parametrize('variant', ['mallick2024', 'mallick2025'])
@pytest.mark.parametrize('n_agents', [1, 3, 5])
def test_a_written_chain_is_read_as_the_same_network(tmp_path, n_agents, variant):
    found = load(tmp_path, description(n_agents, variant))
    assert same(found, chain(n_agents, variant))
    assert not same(found, chain(n_agents, 'mallick2025' if variant == 'mallick2024' else 'mallick2024'))


def test_a_network_of_unequal_agents_is_read_as_it_stands(tmp_path):
    network = load(tmp_path, DIRECTED)
    assert same(network, directed_network())
    assert network.names == ('tank', 'valve', 'heater')
    assert network.graph.parents == ((2,), (0,), (1,))
    assert network.a.tolist() == [
        [0.9, 0.2, 0.0, 0.1, 0.0, -0.1],
        [-0.1, 0.8, 0.0, 0.0, 0.05, 0.0],
        [0.1, -0.1, 1.05, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.1, 0.8, 0.1, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.9, 0.2],
        [0.0, 0.0, -0.15, 0.1, 0.0, 0.7],
    ]
    assert network.b.tolist() == [
        [0.1, 0, 0, 0],
        [0.5, 0, 0, 0],
        [0, 0.4, -0.2, 0],
        [0, 0, 0, 0.2],
        [0, 0, 0, 0.0],
        [0, 0, 0, 0.5],
    ]
    assert network.initial_state.tolist() == [0.4, -0.3, 0.5, 0.2, 0.3, -0.2]
    tank, valve, heater = network.local
    assert tank.model_a.tolist() == [[0.95, 0.15], [0.0, 0.8]]
    assert tank.coupling[2].tolist() == [[0.05, 0.0, 0.0], [0.0, 0.05, 0.02]]
    assert valve.model_a.tolist() == [[1.05]]  # without a model of its own it knows the truth
    assert valve.state_lower.tolist() == [-np.inf] and valve.state_upper.tolist() == [0.55]
    assert heater.initial['x_lb'].tolist() == [0.05, 0.0, 0.0]


WRONG = {
    'A is not square': (TRUTH + ['A'], [[0.9, 0.35, 0.0], [0.0, 1.1, 0.0]], 'dynamics.A is 2 x 3'),
    'A of the model is not square': (MODEL + ['A'], [[1.0], [1.0]], 'model.A is 2 x 1'),
    'B has too many rows': (TRUTH + ['B'], [[0.1], [0.2], [0.3]], 'dynamics.B is 3 x 1'),
    'B of the model has too few rows': (MODEL + ['B'], [[0.1]], 'model.B is 1 x 1'),
    'rows of A differ': (TRUTH + ['A'], [[0.9, 0.35], [1.1]], 'dynamics.A has rows of different lengths'),
    'rows of B differ': (MODEL + ['B'], [[0.1], [0.2, 0.3]], 'model.B has rows of different lengths'),
    'A is a vector': (TRUTH + ['A'], [0.9, 0.35], 'dynamics.A'),
    'A is a text': (TRUTH + ['A'], 'unstable', 'dynamics.A'),
    'an element is a text': (TRUTH + ['A'], [[0.9, 'x'], [0.0, 1.1]], "dynamics.A.0.1: 'x'"),
    'a coupling has the wrong size': (
        TRUTH + ['neighbours', 'agent_1'],
        [[0.0]],
        'dynamics.neighbours.agent_1 is 1 x 1, expected 2 x 2',
    ),
    'a modelled coupling has the wrong size': (
        MODEL + ['neighbours', 'agent_3'],
        [[0.0, 0.0]],
        'model.neighbours.agent_3 is 1 x 2, expected 2 x 2',
    ),
    'an unknown neighbour': (
        TRUTH + ['neighbours', 'agent_7'],
        [[0.0, 0.0], [0.0, 0.0]],
        "dynamics.neighbours names 'agent_7'",
    ),
    'an unknown neighbour of the model': (
        MODEL + ['neighbours', 'agent_7'],
        [[0.0, 0.0], [0.0, 0.0]],
        "model.neighbours names 'agent_7'",
    ),
    'a neighbour that the model forgets': (MODEL + ['neighbours', 'agent_3'], REMOVE, 'model.neighbours lacks agent_3'),
    'a wrong key': (AGENT + ['colour'], 'red', "'colour'"),
    'a wrong key deeper down': (AGENT + ['bounds', 'state', 'middle'], [0.0, 0.0], "bounds.state: .*'middle'"),
    'a missing section': (AGENT + ['cost'], REMOVE, "'cost' is a required property"),
    'a missing matrix': (TRUTH + ['B'], REMOVE, "dynamics: 'B' is a required property"),
    'a missing key': (AGENT + ['cost', 'input'], REMOVE, "cost: 'input' is a required property"),
    'NaN in a matrix': (TRUTH + ['A'], [[0.9, float('nan')], [0.0, 1.1]], 'dynamics.A contains NaN'),
    'NaN in a coupling': (
        TRUTH + ['neighbours', 'agent_1'],
        [[0.0, 0.0], [0.0, float('nan')]],
        'dynamics.neighbours.agent_1 contains NaN',
    ),
    'NaN in a bound': (AGENT + ['bounds', 'state', 'lower'], [float('nan'), 0.0], 'bounds.state.lower contains NaN'),
    'NaN in the first state': (AGENT + ['initial_state'], [float('nan'), 0.0], 'initial_state contains NaN'),
    'NaN in a parameter': (AGENT + ['parameters'], {'b': [float('nan'), 0.0]}, r'b\b.* NaN'),
    'infinity in a matrix': (TRUTH + ['A'], [[0.9, float('inf')], [0.0, 1.1]], 'dynamics.A'),
    'infinity in the model': (MODEL + ['B'], [[0.1], [float('inf')]], 'model.B'),
    'infinity in the first state': (AGENT + ['initial_state'], [float('inf'), 0.0], 'initial_state'),
    'infinity in a cost': (AGENT + ['cost', 'state'], [float('inf'), 0.0], 'cost'),
    'infinity in the noise': (AGENT + ['noise', 'upper'], [float('inf'), 0.0], 'noise'),
    'state bounds that cross': (AGENT + ['bounds', 'state', 'lower'], [2.0, -1.0], 'lower state bound'),
    'input bounds that cross': (AGENT + ['bounds', 'input', 'upper'], [-2.0], 'lower input bound'),
    'noise bounds that cross': (AGENT + ['noise', 'lower'], [0.1, 0.0], 'noise'),
    'a bound of the wrong size': (AGENT + ['bounds', 'state', 'upper'], [1.0], 'bounds.state.upper is 1, expected 2'),
    'an input weight of zero': (AGENT + ['cost', 'input'], [0.0], 'those of inputs must be positive'),
    'a negative input weight': (AGENT + ['cost', 'input'], [-1.0], 'those of inputs must be positive'),
    'a negative state weight': (AGENT + ['cost', 'state'], [-1.0, 1.0], 'must not be negative'),
    'a negative weight of violation': (AGENT + ['cost', 'violation'], [120.0, -1.0], 'must not be negative'),
    'an unknown parameter': (AGENT + ['parameters'], {'gain': [1.0]}, 'no such parameter: gain'),
    'a parameter of another variant': (AGENT + ['parameters'], {'Q': [1.0, 1.0]}, 'no such parameter: Q'),
    'a parameter of the wrong size': (AGENT + ['parameters'], {'b': [1.0]}, 'parameter b'),
    'a parameter whose rows differ': (AGENT + ['parameters'], {'A': [[1.0, 0.0], [1.0]]}, 'A'),
    'parameters that make state bounds cross': (AGENT + ['parameters'], {'x_lb': [5.0, 0.0]}, 'bound'),
}


@pytest.mark.parametrize('path, value, message', WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_refused_with_agent_and_place(path, value, message):
    with pytest.raises(NetworkError, match=message) as error:
        from_description(changed(path, value))
    assert 'agent_2' in str(error.value)


def test_a_coupling_pattern_must_name_neighbours():
    with pytest.raises(NetworkError, match="agent_2.*coupling_pattern.*'agent_7'"):
        from_description(changed(AGENT + ['coupling_pattern', 'agent_7'], [[0.0, 0.0], [0.0, 1.0]], 'mallick2025'))


def test_a_coupling_pattern_must_fit():
    with pytest.raises(NetworkError, match='agent_2: coupling_pattern.agent_1 is 1 x 1, expected 2 x 2'):
        from_description(changed(AGENT + ['coupling_pattern', 'agent_1'], [[1.0]], 'mallick2025'))


def test_names_must_differ():
    with pytest.raises(NetworkError, match='different names.*agent_1, agent_1, agent_3'):
        from_description(changed(AGENT + ['name'], 'agent_1'))


def test_a_name_is_needed():
    with pytest.raises(NetworkError, match="agent 1: 'name' is a required property"):
        from_description(changed(AGENT + ['name'], REMOVE))


@pytest.mark.parametrize('name', ['1st', 'a/b', 'a b', '', '_a', 'a_', 'a__b', 'plant', 'monitor'])
def test_a_name_must_do_as_a_namespace(name):
    with pytest.raises(NetworkError, match=f"name: '{name}' is not allowed .*single underscores.*not plant or monitor"):
        from_description(changed(AGENT + ['name'], name))


@pytest.mark.parametrize('name', ['A', 'a1', 'left_arm_2', 'planted', 'monitor_1'])
def test_a_name_may_be_any_other_word(name):
    whole = changed(AGENT + ['name'], name)
    for agent in whole['agents']:
        del agent['uncertainty']
        for section in ('dynamics', 'model'):
            neighbours = agent[section]['neighbours']
            agent[section]['neighbours'] = {name if k == 'agent_2' else k: v for k, v in neighbours.items()}
    assert from_description(whole).names[1] == name


def test_an_agent_that_uses_its_own_state_as_a_neighbours_is_refused():
    whole = changed(TRUTH + ['neighbours', 'agent_2'], [[0.0, 0.0], [0.0, 0.0]])
    whole['agents'][1]['model']['neighbours']['agent_2'] = [[0.0, 0.0], [0.0, 0.0]]
    with pytest.raises(NetworkError, match='agent_2'):
        from_description(whole)


def test_agents_that_share_no_edge_are_named():
    whole = changed(['agents', 0, 'dynamics', 'neighbours'], {})
    whole['agents'][0]['model']['neighbours'] = {}
    for section in ('dynamics', 'model'):
        del whole['agents'][1][section]['neighbours']['agent_1']
    for agent in whole['agents']:
        del agent['uncertainty']
    with pytest.raises(NetworkError, match=r'not connected.*\[0\] and \[1, 2\].*0 is agent_1, 1 is agent_2'):
        from_description(whole)


@pytest.mark.parametrize(
    'path, value',
    [
        (['mpc', 'horizon'], 0),
        (['mpc', 'horizon'], 2.5),
        (['mpc', 'discount'], 0.0),
        (['mpc', 'discount'], 1.1),
        (['mpc', 'discount'], float('nan')),
        (['mpc', 'first_bounded_stage'], 2),
        (['mpc', 'learn_weights'], 'yes please'),
        (['mpc', 'colour'], 'red'),
        (['mpc', 'horizon'], REMOVE),
        (['learning', 'rho'], 0.0),
        (['learning', 'rho'], float('nan')),
        (['learning', 'admm_iterations'], 0),
        (['learning', 'update_every'], 0),
        (['learning', 'exploration_probability'], 1.5),
        (['learning', 'learning_rate'], -1.0),
    ],
)
def test_what_is_common_to_all_agents_is_checked(path, value):
    with pytest.raises(NetworkError, match=path[0]):
        from_description(changed(path, value))


def test_a_replay_sample_that_cannot_be_drawn_is_refused():
    with pytest.raises(NetworkError, match='replay'):
        from_description(changed(['learning', 'replay_latest'], 16))


def test_a_horizon_written_as_a_decimal_number_is_a_whole_number():
    """YAML's 10.0 is a number without a fraction, which JSON schema calls an integer."""
    found = from_description(changed(['mpc', 'horizon'], 10.0)).structure.horizon
    assert found == 10 and isinstance(found, int)


@pytest.mark.parametrize('nothing', [None, [], 'chain', {}, {'agents': []}, {'agents': [3]}])
def test_what_is_no_network_at_all_is_refused(nothing):
    with pytest.raises(NetworkError):
        from_description(nothing)


@pytest.mark.parametrize('content', ['agents: [', 'a: b: c', '\tname: x', '\x00', 'name: 2001-99-99', 'a: !!int x'])
def test_a_file_that_is_not_yaml_is_refused_by_its_name(tmp_path, content):
    with pytest.raises(NetworkError, match=r'network\.yaml is not YAML'):
        load(tmp_path, content)


def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path):
    (tmp_path / 'network.yaml').write_bytes(b'\xff\xfe\xfa')
    with pytest.raises(NetworkError, match=r'network\.yaml'):
        load_network(tmp_path / 'network.yaml')


def test_a_file_cannot_run_code(tmp_path):
    with pytest.raises(NetworkError, match='not YAML'):
        load(tmp_path, 'name: !!python/object/apply:os.getcwd []')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NetworkError, match=r'nowhere\.yaml: No such file'):
        load_network(tmp_path / 'nowhere.yaml')


def test_an_inconsistent_file_is_named_together_with_the_agent(tmp_path):
    with pytest.raises(NetworkError, match=r'network\.yaml: agent agent_2: dynamics\.B is 1 x 1'):
        load(tmp_path, changed(TRUTH + ['B'], [[0.1]]))
