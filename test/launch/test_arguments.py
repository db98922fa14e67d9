# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The arguments of the launch files, each by its effect on the nodes, as the command line sees them."""

import os
import re
import signal

import pytest
import yaml
from ros_system import PATIENCE, wait_for
from terminal import node_pid

pytestmark = pytest.mark.timeout(400)

PARENT = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch_ros.actions import PushROSNamespace
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    chain = IncludeLaunchDescription(
        [FindPackageShare('dmpcrl_ros'), '/launch/chain.launch.py'], launch_arguments=%r
    )
    return LaunchDescription([DeclareLaunchArgument('stepz'), GroupAction([PushROSNamespace('yard'), chain])])
"""


@pytest.fixture
def parent(tmp_path):
    """Makes a launch file with an argument of its own, `stepz`, that includes the chain with arguments."""

    def made(**arguments):
        path = tmp_path / 'parent.launch.py'
        path.write_text(PARENT % list(arguments.items()))
        return path

    return made


def parameter_file(folder, **of_nodes):
    path = folder / 'parameters.yaml'
    path.write_text(yaml.safe_dump({name: {'ros__parameters': values} for name, values in of_nodes.items()}))
    return path


def test_each_argument_has_its_effect(tools, tmp_path, parent):
    """A manager is to bring the nodes up, which have little to do until then."""
    parameters = parameter_file(
        tmp_path,
        **{
            '/**': {
                'chain': {'agents': 2},
                'coordination': 'admm',
                'admm.iterations': 7,
                'round_timeout': 3,
                'resend_after': 0.5,
            },
            '/yard/fleet/agent_2': {'round_timeout': 1.5, 'resend_after': 1.5},
        },
    )
    given = {'namespace': 'fleet', 'params_file': str(parameters), 'resend_after': '0.25', 'respawn': 'true'}
    given |= {'autostart': 'false', 'use_sim_time': 'true', 'log_level': 'debug'}
    launch = tools.launch(parent(**given), 'stepz:=1', package='')
    nodes = ['/yard/fleet/agent_1', '/yard/fleet/agent_2', '/yard/fleet/plant']
    wait_for(lambda: tools.ros2('node', 'list').split() == nodes, PATIENCE, 'nodes')
    assert 'unconfigured' in tools.ros2('lifecycle', 'get', nodes[0])
    first, second = (_parameters(tools, node) for node in nodes[:2])
    assert (first['admm']['iterations'], first['round_timeout'], first['use_sim_time']) == (7, 3.0, True)
    assert (second['round_timeout'], second['resend_after']) == (1.5, 0.25)  # an argument goes before the file
    launch.wait_for(r'\[plant-\d+\] \[DEBUG\]')
    killed = node_pid('agent_1')
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: node_pid('agent_1') not in (None, killed), PATIENCE, 'the agent to come back')
    # A Ctrl-C while launch starts a process can make launch wait for ever.
    wait_for(lambda: len(re.findall(r'agent_1-\d+\]: process started', launch.text)) == 2, PATIENCE, 'the second start')
    launch.signal_all(signal.SIGINT)
    assert launch.end()[0] == 0


def test_an_included_launch_file_refuses_what_it_was_given_itself(tools, parent):
    code, text = tools.launch(parent(stepz='5'), 'stepz:=1', package='').end()
    assert code == 1 and "there is no setting 'stepz'; did you mean 'steps'?" in text, text


def _parameters(tools, node):
    return yaml.safe_load(tools.ros2('param', 'dump', node))[node]['ros__parameters']
