# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Enclaves and the security policy, from the nodes of a system alone."""

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from ros_system import Deployed

from dmpcrl_ros.bringup import NodeSpec
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.endpoints import Endpoints, endpoints_of
from dmpcrl_ros.security import policy
from dmpcrl_ros.testing.fault_plan import FaultPlan

CONFIG = Path(__file__).resolve().parents[1] / 'config'
ROBOT = {'system': str(CONFIG / 'mujoco_carts.yaml'), 'bridge': str(CONFIG / 'mujoco_carts_bridge.yaml')}
OF_ALL = {'/rosout', '/parameter_events', '/diagnostics'}  # topics that several nodes publish


def rights(*, relay=None, **changes):
    """Endpoints of each node, as {name: endpoints}."""
    deployed = Deployed(**changes)
    system = deployed.settings.make_system()
    return {node.name: endpoints_of(node, system) for node in deployed.nodes(output='run', **relay or {})}


def test_an_agent_may_use_the_edges_to_its_neighbours_only():
    ends = rights(chain__agents=4)
    assert ends['agent_2'].publishes - OF_ALL == {
        '/agent_2/action',
        '/agent_2/parameters',
        '/agent_2/presence',
        '/agent_2/status',
        '/agent_2/to/agent_1',
        '/agent_2/to/agent_3',
        '/agent_2/transition_event',
    }
    assert ends['agent_2'].subscribes == {
        '/agent_2/state',
        *(f'/{sender}/to/agent_2' for sender in ('agent_1', 'agent_3')),
        *(f'/{member}/presence' for member in ('agent_1', 'agent_2', 'agent_3', 'plant')),
    }
    assert {'/agent_2/set_learning', '/agent_2/change_state'} < ends['agent_2'].serves
    assert all(service.startswith('/agent_2/') for service in ends['agent_2'].serves)


@pytest.mark.parametrize(
    'changes',
    [
        {},
        {'system': 'power_grid', 'agents_per_process': 3},
        {'relay': {'faults': FaultPlan(loss=0.1), 'faulty_plant': True}},
        ROBOT,
    ],
)
def test_no_node_may_publish_or_serve_what_another_does(changes):
    ends = rights(**changes)
    for part in ('publishes', 'serves'):
        owners = Counter(name for each in ends.values() for name in getattr(each, part) - OF_ALL)
        assert owners and set(owners.values()) == {1}
    heard = {name for each in ends.values() for name in each.subscribes}
    told = {name for each in ends.values() for name in each.publishes}
    assert heard - told == ({'/joint_states'} if changes is ROBOT else set()), 'subscribed to without a publisher'


def test_a_monitor_says_only_that_it_is_there():
    assert rights()['monitor'].publishes - OF_ALL == {'/monitor/presence'}


def test_a_bridge_may_use_the_topics_of_its_mapping_and_sets_no_clock():
    bridge = rights(**ROBOT)['bridge']
    commands = {f'/{name}_effort_controller/commands' for name in ('left', 'middle', 'right')}
    assert commands < bridge.publishes and '/clock' not in bridge.publishes
    assert '/joint_states' in bridge.subscribes and '/joint_states' not in bridge.publishes


def test_topics_of_a_mapping_are_resolved_as_the_bridge_does(tmp_path):
    file = tmp_path / 'mapping.yaml'
    measured = {'element': 0, 'topic': 'odom', 'minus': {'topic': '/leader/odom'}}
    file.write_text(yaml.safe_dump({'agents': [{'state': [measured], 'input': [{'element': 0, 'topic': '~/cmd'}]}]}))
    bridge = rights(**ROBOT | {'bridge': str(file), 'namespace': 'fleet'})['bridge']
    assert {'/fleet/odom', '/leader/odom'} < bridge.subscribes and '/fleet/bridge/cmd' in bridge.publishes


def test_behind_a_relay_an_agent_hears_what_the_relay_repeats():
    ends = rights(relay={'faults': FaultPlan(loss=0.1)})
    assert '/agent_2/to/agent_1' not in ends['agent_1'].subscribes
    assert '/relayed/agent_2/to/agent_1' in ends['agent_1'].subscribes
    assert '/relayed/agent_2/to/agent_1' in ends['relay'].publishes


@pytest.mark.parametrize(
    ('name', 'namespace', 'expected'),
    [
        ('/clock', '/fleet', '/clock'),
        ('a/state', '/fleet', '/fleet/a/state'),
        ('a/state', 'fleet', '/fleet/a/state'),
        ('a/state', '', '/a/state'),
        ('~/pause', '/fleet', '/fleet/plant/pause'),
        ('~/pause', '', '/plant/pause'),
        ('b/state', '/fleet', '/elsewhere'),
        ('/fleet/b/state', '/fleet', '/elsewhere'),
    ],
)
def test_names_are_those_that_ros_makes_of_them(name, namespace, expected):
    node = NodeSpec('dmpcrl_plant', 'plant', {}, namespace, remappings=(('b/state', '/elsewhere'),))
    assert Endpoints.of(publishes=[name]).resolved_by(node).publishes == {expected}


@pytest.mark.parametrize(
    ('root', 'namespace', 'plant', 'agent'),
    [
        ('', 'fleet', '', ''),
        ('/', '', '/plant', '/agent_1'),
        ('lab', '', '/lab/plant', '/lab/agent_1'),
        ('/lab/left_2', '/fleet', '/lab/left_2/fleet/plant', '/lab/left_2/fleet/agent_1'),
    ],
)
def test_every_node_has_an_enclave_of_its_own(root, namespace, plant, agent):
    nodes = {node.name: node for node in Deployed(enclave=root, namespace=namespace).nodes(output='run')}
    assert (nodes['plant'].enclave, nodes['agent_1'].enclave) == (plant, agent)
    for node in nodes.values():
        words = node.command()
        assert ('--enclave' in words) == bool(root)
        assert not root or words[words.index('--enclave') + 1] == node.enclave
    assert not root or len({node.enclave for node in nodes.values()}) == len(nodes)


@pytest.mark.parametrize('root', ['a b', 'lab/', '//lab', '1', 'größe', '-'])
def test_what_is_no_enclave_is_refused(root):
    with pytest.raises(SettingError, match='enclave must be names'):
        Deployed(enclave=root).nodes()


def test_a_policy_has_an_enclave_for_each_node():
    deployed = Deployed(enclave='lab')
    nodes = deployed.nodes(output='run')
    root = ElementTree.fromstring(policy(nodes, deployed.settings.make_system()))
    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    assert [each.get('path') for each in root.iter('enclave')] == [node.enclave for node in nodes]


def test_a_policy_without_enclaves_is_refused():
    deployed = Deployed()
    with pytest.raises(SettingError, match='enclave must be given'):
        policy(deployed.nodes(), deployed.settings.make_system())


def test_a_missing_mapping_is_named(tmp_path):
    with pytest.raises(NetworkError, match='absent.yaml: No such file'):
        rights(**ROBOT | {'bridge': str(tmp_path / 'absent.yaml')})
