# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The nodes of a run, as they are printed to be started by hand."""

import pytest
import yaml
from ros_system import Deployed
from ruamel.yaml import YAML

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.linear.chain import description


@pytest.mark.parametrize(
    'changes',
    [
        {},
        {
            'chain.variant': 'mallick2025',
            'coordination': 'admm',
            'admm.tolerance': 1e-5,
            'admm.warm_start': False,
            'seed': 7,
        },
        {'checkpoints': 'a folder: with #', 'round_timeout': 2.0, 'real_time': True},
    ],
)
def test_a_command_says_what_differs_from_the_default_and_is_read_as_it_was_meant(changes):
    nodes = Deployed(namespace='fleet', **changes).nodes(output='2024')
    assert [node.name for node in nodes] == ['plant', 'agent_1', 'agent_2', 'agent_3', 'monitor']
    for node in nodes:
        executable, *words = node.command()
        assert executable == node.executable and words[:5] == [
            '--ros-args',
            '-r',
            f'__node:={node.name}',
            '-r',
            '__ns:=/fleet',
        ]
        said = dict(words[i + 1].split(':=', 1) for i, word in enumerate(words) if word == '-p')
        said = {name: YAML(typ='safe', pure=True).load(value) for name, value in said.items()}
        assert said.items() <= node.parameters.items()
        assert all(said[name] == value for name, value in changes.items() if name in node.parameters)
        assert all(type(value) is type(node.parameters[name]) for name, value in said.items())
    assert said['output'] == '2024'


def test_texts_that_ros_takes_for_truth_values_are_quoted(tmp_path):
    path = tmp_path / 'axes.yaml'
    described = description(2)
    path.write_text(yaml.safe_dump(described).replace('agent_1', '"y"').replace('agent_2', '"NO"'), encoding='utf-8')
    nodes = Deployed(system=str(path)).nodes()
    assert [node.name for node in nodes] == ['plant', 'y', 'NO']
    for node in nodes[1:]:
        assert f'agents:=["{node.name}"]' in node.command()
        assert f'"agents": ["{node.name}"]' in node.parameter_file()


def test_agents_share_processes_in_groups_of_neighbours():
    nodes = Deployed(chain__agents=7, agents_per_process=3).nodes()
    assert [node.name for node in nodes] == ['plant', 'controllers_1', 'controllers_2', 'controllers_3']
    groups = [node.parameters['agents'] for node in nodes[1:]]
    assert groups == [['agent_1', 'agent_2', 'agent_3'], ['agent_4', 'agent_5', 'agent_6'], ['agent_7']]


def test_an_agent_with_the_name_of_a_node_is_refused(tmp_path):
    for name in ('bridge', 'relay'):
        path = tmp_path / f'{name}.yaml'
        path.write_text(yaml.safe_dump(description(1) | {'agents': [description(1)['agents'][0] | {'name': name}]}))
        with pytest.raises(NetworkError, match=f"an agent cannot be named '{name}'"):
            Deployed(system=str(path)).nodes()


def test_every_node_has_the_settings_of_the_method_only_where_it_runs_or_is_recorded():
    nodes = {node.name: node.parameters for node in Deployed().nodes(output='run')}
    assert 'admm.rho' in nodes['agent_1'] and 'admm.rho' in nodes['monitor'] and 'admm.rho' not in nodes['plant']
    assert 'round_timeout' in nodes['agent_1'] and 'round_timeout' not in nodes['plant']
