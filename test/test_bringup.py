"""The nodes of a run, as they are printed to be started by hand."""
import pytest
import yaml

from dmpcrl_ros.bringup import nodes_of
from dmpcrl_ros.settings.nodes import RunSettings


@pytest.mark.parametrize('changes', [{}, {'variant': '000', 'admm_tolerance': 1e-5, 'warm_start': False, 'seed': 7},
                                     {'checkpoints': 'a folder: with #', 'round_timeout': 2.0, 'real_time': True}])
def test_a_command_says_what_differs_from_the_default_and_is_read_as_it_was_meant(changes):
    nodes = nodes_of(RunSettings(**changes), output='2024')
    assert [node.label for node in nodes] == ['plant', 'agent_1', 'agent_2', 'agent_3', 'monitor']
    for node in nodes:
        executable, *words = node.command()
        assert executable == node.executable and words[:5] == [
            '--ros-args', '-r', f'__node:={node.name}', '-r', f'__ns:={node.namespace}']
        said = dict(words[i + 1].split(':=', 1) for i, word in enumerate(words) if word == '-p')
        said = {name: yaml.safe_load(value) for name, value in said.items()}
        assert said.items() <= node.parameters.items() and said['launch'] > 0
        assert all(said[name] == value for name, value in changes.items() if name in node.parameters)
        assert all(type(value) is type(node.parameters[name]) for name, value in said.items())
    assert said['output'] == '2024'
