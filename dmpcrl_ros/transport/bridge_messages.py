# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Values in the standard messages of a bridge: measurements are read, commands are written.

Pure functions; messages from outside are checked here.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial, singledispatch
from operator import attrgetter
from typing import Any

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped, PoseWithCovarianceStamped, Quaternion, Twist, TwistStamped
from nav_msgs.msg import Odometry
from rclpy.time import Time
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from dmpcrl_ros.transport.conversions import MessageError, doubles


def type_name(kind: Any) -> str:
    """Name of a class of messages in ROS 2, such as geometry_msgs/msg/Twist."""
    return f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}'


MESSAGES = {
    type_name(kind): kind
    for kind in (
        JointState,
        Odometry,
        PoseStamped,
        PoseWithCovarianceStamped,
        Twist,
        TwistStamped,
        Imu,
        Float64MultiArray,
    )
}
# Where the part of a field stands that is not a part of the message itself.
_PATHS: dict[tuple[type, str], str] = {
    (Odometry, 'pose'): 'pose.pose',
    (Odometry, 'twist'): 'twist.twist',
    (PoseWithCovarianceStamped, 'pose'): 'pose.pose',
    (TwistStamped, 'linear'): 'twist.linear',
    (TwistStamped, 'angular'): 'twist.angular',
}
_AXES = {'roll': 'x', 'pitch': 'y', 'yaw': 'z'}
_ROTATION_TOLERANCE = 0.01  # of the norm of a quaternion
_UNKNOWN = -1.0  # first covariance of a quantity that an Imu does not measure
_NANOSECONDS = 10**9  # in a second


def reader(kind: type, declared: Mapping[str, Any]) -> Callable[[Any], float]:
    """Function that reads the declared value in a message of a kind, and raises MessageError without a value."""
    if kind is JointState:
        return partial(_joint, joint=declared['joint'], field=declared['field'])
    if kind is Float64MultiArray:
        return partial(_item, index=int(declared['index']))
    part, axis = declared['field'].split('.')
    return partial(_field, part=part, axis=axis, frame=declared.get('frame'))


def measured_at(message: Any) -> int:
    """Time in the header of a message [ns]; 0 if it is not set.

    Raises:
        MessageError: the time is not valid.
    """
    header = getattr(message, 'header', None)
    if header is None:
        return 0
    if header.stamp.sec < 0 or header.stamp.nanosec >= _NANOSECONDS:
        raise MessageError('no time')
    return header.stamp.sec * _NANOSECONDS + header.stamp.nanosec


def command(kind: type, values: Mapping[Any, float], frame: str, stamp: int) -> Any:
    """Message of commands.

    Args:
        kind: Float64MultiArray, Twist or TwistStamped.
        values: by their index in the array, or by part and axis of the twist, whose other components are zero.
        frame: of the header, if the message has one.
        stamp: of the header, if the message has one [ns].
    """
    if kind is Float64MultiArray:
        return Float64MultiArray(data=doubles(np.array([values[i] for i in range(len(values))])))
    message = kind()
    if kind is TwistStamped:
        message.header.stamp, message.header.frame_id = Time(nanoseconds=stamp).to_msg(), frame
    for (part, axis), value in values.items():
        setattr(_part(message, part), axis, value)
    return message


def _joint(message: JointState, joint: str, field: str) -> float:
    values = getattr(message, field)
    if joint not in message.name:
        raise MessageError('no such joint')
    if len(values) != len(message.name):
        raise MessageError('wrong size')
    return values[message.name.index(joint)]


def _item(message: Float64MultiArray, index: int) -> float:
    if index >= len(message.data):
        raise MessageError('wrong size')
    return message.data[index]


def _field(message: Any, part: str, axis: str, frame: str | None) -> float:
    if frame is not None and frame != (message.child_frame_id if part == 'twist' else message.header.frame_id):
        raise MessageError('wrong frame')
    if isinstance(message, Imu) and getattr(message, f'{part}_covariance')[0] == _UNKNOWN:
        raise MessageError('not measured')
    return _component(_part(message, part), axis)


def _part(message: Any, part: str) -> Any:
    return attrgetter(_PATHS.get((type(message), part), part))(message)


@singledispatch
def _component(part: Any, axis: str) -> float:
    return getattr(part, axis)


@_component.register
def _(part: Pose, axis: str) -> float:
    return _component(part.orientation if axis in _AXES else part.position, axis)


@_component.register
def _(part: Twist, axis: str) -> float:
    return getattr(part.angular, _AXES[axis]) if axis in _AXES else getattr(part.linear, axis)


@_component.register
def _(part: Quaternion, axis: str) -> float:
    """Angle [rad] about a fixed axis: first roll about x, then pitch about y, then yaw about z."""
    w, x, y, z = part.w, part.x, part.y, part.z
    norm = math.hypot(w, x, y, z)
    if not abs(norm - 1.0) <= _ROTATION_TOLERANCE:
        raise MessageError('no rotation')
    if axis == 'roll':
        return math.atan2(2.0 * (w * x + y * z), w * w - x * x - y * y + z * z)
    if axis == 'pitch':
        return math.asin(min(max(2.0 * (w * y - z * x) / norm**2, -1.0), 1.0))
    return math.atan2(2.0 * (w * z + x * y), w * w + x * x - y * y - z * z)
