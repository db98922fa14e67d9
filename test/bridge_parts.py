# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A mapping of two agents to standard messages, and the messages."""

import math
from functools import partial
from types import SimpleNamespace

from nav_msgs.msg import Odometry
from rclpy.expand_topic_name import expand_topic_name
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from dmpcrl_ros.transport.measurements import Topic

resolve = partial(expand_topic_name, node_name='bridge', node_namespace='/fleet')


def network(*sizes):
    """Agents a, b, ... with states and inputs of these sizes."""
    return SimpleNamespace(
        name='pair',
        names=tuple('abc'[: len(sizes)]),
        local=tuple(SimpleNamespace(n_states=n, n_inputs=m) for n, m in sizes),
    )


PAIR = network((2, 1), (1, 2))


def declaration():
    """Cart a on a joint, mounted the other way round and measured in millimetres; robot b with an odometer."""
    return {
        'agents': [
            {
                'name': 'a',
                'state': [
                    {
                        'element': 0,
                        'topic': '/joint_states',
                        'type': 'sensor_msgs/msg/JointState',
                        'joint': 'slide',
                        'field': 'position',
                        'sign': -1,
                        'scale': 0.001,
                        'offset': 0.5,
                    },
                    {
                        'element': 1,
                        'topic': '/force',
                        'type': 'std_msgs/msg/Float64MultiArray',
                        'index': 2,
                        'scale': 10.0,
                    },
                ],
                'input': [
                    {
                        'element': 0,
                        'topic': '/a/commands',
                        'type': 'std_msgs/msg/Float64MultiArray',
                        'index': 0,
                        'sign': -1,
                        'scale': 2.0,
                        'offset': 1.0,
                        'saturation': [-4.0, 5.0],
                        'rate_limit': 30.0,
                        'safe': 0.0,
                    }
                ],
            },
            {
                'name': 'b',
                'state': [
                    {
                        'element': 0,
                        'topic': '/odom',
                        'type': 'nav_msgs/msg/Odometry',
                        'field': 'pose.yaw',
                        'frame': 'map',
                    }
                ],
                'input': [
                    {
                        'element': 1,
                        'topic': '/cmd_vel',
                        'type': 'geometry_msgs/msg/Twist',
                        'field': 'angular.z',
                        'saturation': [-1.0, 1.0],
                        'safe': 0.0,
                    },
                    {
                        'element': 0,
                        'topic': '/cmd_vel',
                        'type': 'geometry_msgs/msg/Twist',
                        'field': 'linear.x',
                        'scale': 0.5,
                        'saturation': [0.0, 0.8],
                        'safe': 0.1,
                    },
                ],
            },
        ]
    }


def changed(*path, value=None, **update):
    """The declaration with an item replaced, updated, or without `value` removed."""
    declared = declaration()
    *parents, last = path
    item = declared['agents']
    for key in parents:
        item = item[key]
    if update:
        item[last] = {**item[last], **update}
    elif value is None:
        del item[last]
    else:
        item[last] = value
    return declared


def joints(positions=(300.0,), names=('slide',), velocities=()):
    return JointState(name=names, position=positions, velocity=velocities)


def array(*values):
    return Float64MultiArray(data=values)


def odometry(yaw=0.0, frame='map', child='base', **twist):
    message = Odometry(child_frame_id=child)
    message.header.frame_id = frame
    message.pose.pose.orientation.z, message.pose.pose.orientation.w = math.sin(yaw / 2), math.cos(yaw / 2)
    message.twist.twist.linear.x = twist.get('x', 0.0)
    message.twist.twist.angular.z = twist.get('yaw', 0.0)
    return message


def take(mapping, topic, message, now, received=0):
    """Let a message on a topic, by its resolved name, arrive."""
    mapping.take(Topic(topic, topic), message, now, received)


def command(mapping, actions, period, stamp=0):
    """Messages of the inputs by the resolved names of their topics."""
    return [(str(topic), message) for topic, message in mapping.commands(actions, period, stamp)]


def stamped(message, seconds, nanoseconds=0):
    """The message with this time in its header."""
    message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
    return message


def tell_a(mapping, now, received=0):
    """Let the state of a arrive: 0.2 and 90."""
    take(mapping, '/joint_states', joints(), now, received)
    take(mapping, '/force', array(7.0, 8.0, 9.0), now, received)


def tell_all(mapping, now=0.0):
    """Let the states of both arrive: that of b is -2.5."""
    tell_a(mapping, now)
    take(mapping, '/odom', odometry(-2.5), now)
