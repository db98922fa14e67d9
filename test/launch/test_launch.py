# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""ros2 launch: how it ends, and that it says why."""

import os
import signal

import pytest
import yaml
from helpers import with_change
from ros_system import PATIENCE, leftovers, wait_for
from terminal import node_pid, node_pids

from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.systems.linear.chain import description

FEW = ('chain.launch.py', 'agents_per_process:=3')  # two processes
FOREVER = (*FEW, 'steps:=1000000')


def failed(terminal, reason):
    """The launch has failed for a reason that it has said, in words, and nothing is left of it."""
    code, text = terminal.end()
    assert code == 1, text
    assert reason in text and 'Traceback' not in text, text
    wait_for(lambda: not leftovers(), PATIENCE, 'processes to be gone')


def test_a_complete_run_is_recorded_and_its_directory_is_not_used_again(tools, tmp_path):
    """The agents have names that ROS 2 would take for a truth value and a number if they were not quoted."""
    axes = tmp_path / 'axes.yaml'
    axes.write_text(yaml.safe_dump(description(2)).replace('agent_1', '"y"').replace('agent_2', '"nan"'))
    run = ('network.launch.py', f'system:={axes}', 'steps:=8', f'output:={tmp_path / "run"}')
    code, text = tools.launch(*run).end()
    assert code == 0 and 'run complete: 8 steps' in text, text
    assert not leftovers()
    recorded = load_run(tmp_path / 'run')
    assert len(recorded.steps) == 8 and not any(recorded.faults)
    failed(tools.launch(*run), f'{tmp_path / "run"} already holds a run')


TWO_SYSTEMS = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch_ros.actions import PushROSNamespace
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    return LaunchDescription(
        GroupAction([
            PushROSNamespace(name),
            IncludeLaunchDescription([FindPackageShare('dmpcrl_ros'), '/launch/', file], launch_arguments=arguments),
        ])
        for name, file, arguments in %r
    )
"""


@pytest.mark.parametrize('killed', [False, True])
def test_an_included_system_that_is_complete_leaves_the_other_one_alone(tools, tmp_path, killed):
    """The longer run is completed, or makes the launch fail."""
    systems = [
        (
            name,
            'chain.launch.py',
            [('agents_per_process', '3'), ('steps', str(steps)), ('output', str(tmp_path / name))],
        )
        for name, steps in (('short', 5), ('long', 1000000 if killed else 600))
    ]
    (tmp_path / 'two.launch.py').write_text(TWO_SYSTEMS % systems)
    launch = tools.launch(tmp_path / 'two.launch.py', package='')
    if killed:
        launch.wait_for('the run is complete: the nodes of the system end')
        wait_for(lambda: len(node_pids('plant')) == 1, PATIENCE, 'the end of the short run')
        os.kill(node_pid('plant'), signal.SIGKILL)
        failed(launch, 'plant ended with exit code -9')
    else:
        code, text = launch.end()
        assert code == 0 and 'run complete: 600 steps' in text, text
        assert len(load_run(tmp_path / 'long').steps) == 600
        assert not leftovers()
    assert len(load_run(tmp_path / 'short').steps) == 5


def test_a_run_that_diverges_fails(tools, tmp_path):
    wild = with_change(description(1), ['agents', 0, 'dynamics', 'A'], [[1e30, 0.0], [0.0, 1e30]])
    (tmp_path / 'wild.yaml').write_text(yaml.safe_dump(wild))
    failed(tools.launch('network.launch.py', f'system:={tmp_path / "wild.yaml"}', 'learn:=false'), 'has diverged')


def test_a_setting_that_a_node_refuses_fails(tools, tmp_path):
    parameters = {'/controllers_1': {'ros__parameters': {'round_timeout': -1.0}}}
    (tmp_path / 'wrong.yaml').write_text(yaml.safe_dump(parameters))
    failed(
        tools.launch(*FOREVER, f'params_file:={tmp_path / "wrong.yaml"}'),
        'dmpcrl_agent: round_timeout must be from 0.001 to 3600 s, or never, not -1.0',
    )


def test_a_plant_that_is_killed_ends_all_and_fails(tools):
    launch = tools.launch(*FOREVER)
    wait_for(lambda: node_pid('plant'), PATIENCE, 'the plant')
    os.kill(node_pid('plant'), signal.SIGKILL)
    failed(launch, 'plant ended with exit code -9')


@pytest.mark.parametrize(
    ('argument', 'reason'),
    [
        ('stepz:=5', "there is no setting 'stepz'; did you mean 'steps'?"),
        ('scenarios:=5', "there is no setting 'scenarios'"),  # of another method
        ('steps:=0', 'steps must be from 1 to'),
        ('params_file:=/nowhere', 'params_file /nowhere cannot be read'),
    ],
)
def test_an_argument_that_cannot_be_is_refused_before_anything_starts(tools, argument, reason):
    launch = tools.launch(*FEW, argument)
    failed(launch, reason)
    assert 'process started' not in launch.text


def test_every_argument_says_what_it_can_be(tools):
    text = tools.ros2('launch', 'dmpcrl_ros', 'robot.launch.py', '--show-args')
    for name in ('namespace', 'params_file', 'autostart', 'respawn', 'use_sim_time', 'log_level'):
        assert f"'{name}':" in text
    assert 'from 0.001 to 3600 s, or never' in text and 'mujoco_carts_bridge.yaml' in text
