# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Topics of a bridge: their names, types and times, with real nodes."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ros_system import PATIENCE, Deployed

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from geometry_msgs.msg import PoseStamped, TwistStamped  # noqa: E402
from rclpy import create_node  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray, Header  # noqa: E402

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402
from dmpcrl_ros.nodes.bridge import RobotInterface  # noqa: E402
from dmpcrl_ros.settings.nodes import BridgeSettings  # noqa: E402
from dmpcrl_ros.systems.files import load_system  # noqa: E402
from dmpcrl_ros.transport.bridge_file import load_mapping  # noqa: E402
from dmpcrl_ros.transport.qos import STREAM  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / 'config'
SCENARIO = CONFIG / 'mujoco_carts.yaml'
CARTS = ('left', 'middle', 'right')
POSE = {'type': 'geometry_msgs/msg/PoseStamped', 'field': 'pose.x', 'frame': 'map'}


@pytest.fixture
def relative_names(tmp_path):
    """The mapping of the carts with relative names. The place of the middle one is the difference of two poses, and
    its command is a twist."""
    declared = yaml.safe_load((CONFIG / 'mujoco_carts_bridge.yaml').read_text().replace('topic: /', 'topic: '))
    middle = declared['agents'][1]
    middle['state'][0] = {'element': 0, 'topic': 'front', **POSE, 'minus': {'topic': '~/rear', **POSE}}
    del middle['input'][0]['index']
    middle['input'][0] |= {
        'topic': 'middle/cmd_vel',
        'type': 'geometry_msgs/msg/TwistStamped',
        'field': 'linear.x',
        'frame': 'base_link',
    }
    path = tmp_path / 'bridge.yaml'
    path.write_text(yaml.safe_dump(declared))
    return path


def bridge_and_agents(mapping, *remappings, **settings):
    run = Deployed(
        system=str(SCENARIO),
        bridge=str(mapping),
        steps=100000,
        coordination='admm',
        admm__iterations=5,
        learning__exploration=False,
        round_timeout=0.2,
        **settings,
    )
    bridge, *agents = run.nodes()
    return replace(bridge, remappings=remappings), *agents


class Sensors:
    """Tell the joints on /joint_states, and the poses of two bodies."""

    def __init__(self, node, rear):
        self._joints = node.create_publisher(JointState, '/joint_states', 10)
        self._front = node.create_publisher(PoseStamped, '/front', 10)
        self._rear = node.create_publisher(PoseStamped, rear, 10)
        node.create_timer(0.02, self._tell)

    def _tell(self):
        self._joints.publish(JointState(name=CARTS, position=[0.3, 9.0, 0.2], velocity=[0.01, 0.02, 0.03]))
        for publisher, x in ((self._front, 0.75), (self._rear, 0.5)):
            pose = PoseStamped(header=Header(frame_id='map'))
            pose.pose.position.x = x
            publisher.publish(pose)


def test_a_difference_and_a_stamped_command_over_relative_private_and_remapped_names(relative_names, outsider):
    """The middle cart is at 0.75 m - 0.5 m."""
    states, commands = [], []
    outsider.create_subscription(msg.State, '/middle/state', states.append, STREAM)
    outsider.create_subscription(TwistStamped, '/middle/cmd_vel', commands.append, 10)
    for cart in ('left', 'right'):
        outsider.create_subscription(Float64MultiArray, f'/{cart}_effort_controller/commands', lambda _: None, 10)
    sensors = Sensors(outsider, '/rear/pose')
    begun = outsider.get_clock().now().nanoseconds
    with ProcessGroup(bridge_and_agents(relative_names, ('~/rear', '/rear/pose'))):
        outsider.spin_until(lambda: len(states) > 3 and any(each.twist.linear.x for each in commands))
    assert sensors and {tuple(state.state) for state in states} == {(0.25, 0.02)}
    stamps = [each.header.stamp.sec * 10**9 + each.header.stamp.nanosec for each in commands]
    assert begun < stamps[0] and stamps == sorted(set(stamps))
    assert stamps[-1] < outsider.get_clock().now().nanoseconds
    assert {each.header.frame_id for each in commands} == {'base_link'}


def test_a_wrong_remapping_or_type_is_named_by_the_topic_that_it_leads_to(relative_names, outsider):
    outsider.create_publisher(JointState, '/bridge/rear', 10)
    bridge, *_ = bridge_and_agents(
        relative_names, ('front', '/nowhere'), ('middle/cmd_vel', '/nobody/cmd_vel'), start_timeout=2.0
    )
    done = subprocess.run(
        [Path(sys.executable).with_name(bridge.executable), *bridge.command()[1:]],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1, done.stderr
    for missing in (
        'a publisher of /nowhere (geometry_msgs/msg/PoseStamped)',
        'a publisher of /bridge/rear (geometry_msgs/msg/PoseStamped)',
        'a subscriber of /nobody/cmd_vel (geometry_msgs/msg/TwistStamped)',
    ):
        assert missing in done.stderr


@pytest.fixture
def namesake(outsider):
    """A node in the place of a bridge in a namespace, with remappings that could be followed twice."""
    rules = ('front:=/first', '/first:=/second', 'joint_states:=/robot/joint_states')
    node = create_node(
        'bridge', namespace='/fleet', cli_args=['--ros-args', *(word for rule in rules for word in ('-r', rule))]
    )
    yield node
    node.destroy_node()


def interface_of(node, mapping):
    node.options = BridgeSettings(sensor_timeout=60.0)
    network = load_system(SCENARIO)
    return RobotInterface(node, network, load_mapping(mapping, network, node.resolve_topic_name))


def test_a_missing_measurement_is_named_by_its_topic_as_resolved(relative_names, namesake):
    body = interface_of(namesake, relative_names)
    stale = body.stale_measurements()
    assert 'agent left: state 0 (/robot/joint_states)' in stale
    assert 'agent middle: state 0 (/first)' in stale and 'agent middle: state 0: minus (/fleet/bridge/rear)' in stale
    assert {subscription.topic_name for subscription in namesake.subscriptions} >= {'/first', '/robot/joint_states'}
    assert 'a subscriber of /fleet/middle/cmd_vel (geometry_msgs/msg/TwistStamped)' in body.unmatched_topics()


def test_states_carry_the_times_of_their_measurements(outsider):
    """Times of the headers, or of arrival without a stamp."""
    body = interface_of(outsider, CONFIG / 'mujoco_carts_bridge.yaml')
    joints = outsider.create_publisher(JointState, '/joint_states', 10)
    outsider.spin_until(lambda: joints.get_subscription_count() == 1)
    for stamp in (Time(sec=12, nanosec=345), Time()):
        sent = outsider.get_clock().now().nanoseconds
        joints.publish(
            JointState(header=Header(stamp=stamp), name=CARTS, position=[0.1] * 3, velocity=[float(stamp.sec)] * 3)
        )
        outsider.spin_until(lambda: (seen := body.observe()) and seen.states[0][1] == stamp.sec)  # noqa: B023
        stamps = body.observe().stamps
        if stamp.sec:
            assert stamps == [12 * 10**9 + 345] * 3
        else:
            assert all(sent < each < outsider.get_clock().now().nanoseconds for each in stamps)
