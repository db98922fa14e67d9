# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Files as YAML 1.2."""

import pytest

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.files import load_system
from dmpcrl_ros.systems.reading import read_yaml
from dmpcrl_ros.systems.registry import system_source

TWO_TANKS = """
name: two tanks
mpc: {horizon: 5, discount: 0.95}
learning: {learning_rate: 1e-5}
agents:
  - name: NO
    dynamics: {A: [[0.9]], B: [[1e-3]], neighbours: {y: [[0.05]]}}
    bounds: {input: {lower: [-1e3], upper: [1E3]}}
    initial_state: [1e0]
    cost: {state: [1], input: [1e-6]}
  - name: y
    dynamics: {A: [[0.9]], B: [[1e-3]], neighbours: {NO: [[0.05]]}}
    bounds: {input: {lower: [-1e3], upper: [1E3]}}
    initial_state: [1e0]
    cost: {state: [1], input: [1e-6]}
"""


def written(folder, text):
    path = folder / 'network.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def test_numbers_and_names_are_those_of_yaml_1_2(tmp_path):
    text = 'small: 1e-5\nlarge: -1E3\nnames: [NO, y, on, Yes]\ntrue: [true, False]\nno unit: .inf\nclock: 12:30'
    assert read_yaml(written(tmp_path, text)) == {
        'small': 1e-5,
        'large': -1000.0,
        'names': ['NO', 'y', 'on', 'Yes'],
        True: [True, False],
        'no unit': float('inf'),
        'clock': '12:30',
    }


def test_agents_may_have_names_that_older_yaml_takes_for_truth_values(tmp_path):
    network = load_system(written(tmp_path, TWO_TANKS))
    assert network.names == ('NO', 'y') and network.defaults.learning_rate == 1e-5
    assert network.local[0].model_b.item() == 1e-3 and network.local[1].input_upper.item() == 1e3


@pytest.mark.parametrize(
    ('before', 'after', 'line', 'key'),
    [
        ('name: two tanks\n', 'name: two tanks\nname: three tanks\n', 3, 'name'),
        ('{y: [[0.05]]}', '{y: [[0.05]], y: [[0.2]]}', 7, 'y'),
        (
            '    cost: {state: [1], input: [1e-6]}\n  -',
            '    cost: {state: [1]}\n    cost: {state: [2]}\n  -',
            11,
            'cost',
        ),
    ],
    ids=['of the file', 'on one line', 'of an agent'],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(tmp_path, before, after, line, key):
    path = written(tmp_path, TWO_TANKS.replace(before, after, 1))
    with pytest.raises(NetworkError, match=f'line {line}: found duplicate key "{key}"') as refused:
        load_system(path)
    assert str(path) in str(refused.value) and '\n' not in str(refused.value)


def test_a_file_may_be_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    written(tmp_path, TWO_TANKS)
    assert read_yaml('~/network.yaml')['name'] == 'two tanks'
    source = system_source('~/network.yaml')
    assert source.name == f'{tmp_path}/network.yaml' and source.make(source.settings()).n_agents == 2
