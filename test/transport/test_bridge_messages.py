# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Values in standard messages: one of every field by hand, and messages that lack them."""

import json
import math
import re
from importlib.resources import files

import numpy as np
import pytest

pytest.importorskip('rclpy')

from bridge_parts import command, declaration, stamped, take, tell_a  # noqa: E402
from scipy.spatial.transform import Rotation  # noqa: E402

from dmpcrl_ros.transport.bridge_messages import MESSAGES, measured_at, reader, type_name  # noqa: E402
from dmpcrl_ros.transport.conversions import MessageError  # noqa: E402

SCHEMA = json.loads(files('dmpcrl_ros.transport').joinpath('bridging.schema.json').read_text())
POSES = ('geometry_msgs/msg/PoseStamped', 'geometry_msgs/msg/PoseWithCovarianceStamped', 'nav_msgs/msg/Odometry')
TWISTS = ('geometry_msgs/msg/Twist', 'geometry_msgs/msg/TwistStamped')
PLACE = [1.0, -2.0, 3.0]
ANGLES = [0.4, -0.3, 2.5]  # roll, pitch, yaw
LINEAR, ANGULAR = [0.1, 0.2, -0.3], [-0.4, 0.5, 0.6]
IMU = ('orientation', 'angular_velocity', 'linear_acceleration')
NAN, INF = float('nan'), float('inf')


def fill(vector, values, axes='xyz'):
    for axis, value in zip(axes, values, strict=True):
        setattr(vector, axis, float(value))


def message(kind):
    """A message with different values, in the frame map, of the child base."""
    made = MESSAGES[kind]()
    if hasattr(made, 'header'):
        made.header.frame_id = 'map'
    if kind in POSES:
        pose = made.pose if kind.endswith('PoseStamped') else made.pose.pose
        fill(pose.position, PLACE)
        fill(pose.orientation, Rotation.from_euler('xyz', ANGLES).as_quat(), 'xyzw')
    if kind.endswith('Odometry'):
        made.child_frame_id = 'base'
    if kind in (*TWISTS, 'nav_msgs/msg/Odometry'):
        twist = made if kind.endswith('Twist') else made.twist if kind.endswith('Stamped') else made.twist.twist
        fill(twist.linear, LINEAR)
        fill(twist.angular, ANGULAR)
    if kind.endswith('Imu'):
        fill(made.orientation, Rotation.from_euler('xyz', ANGLES).as_quat(), 'xyzw')
        fill(made.angular_velocity, ANGULAR)
        fill(made.linear_acceleration, LINEAR)
    return made


def expected():
    """Type, field and value of every field of the types above."""
    angles = dict(zip(('roll', 'pitch', 'yaw'), ANGLES, strict=True))
    for kind in POSES:
        for axis, value in (dict(zip('xyz', PLACE, strict=True)) | angles).items():
            yield kind, f'pose.{axis}', value
    for axis, value in zip(('x', 'y', 'z', 'roll', 'pitch', 'yaw'), LINEAR + ANGULAR, strict=True):
        yield 'nav_msgs/msg/Odometry', f'twist.{axis}', value
    for axis, linear, angular in zip('xyz', LINEAR, ANGULAR, strict=True):
        for kind in TWISTS:
            yield kind, f'linear.{axis}', linear
            yield kind, f'angular.{axis}', angular
        yield 'sensor_msgs/msg/Imu', f'angular_velocity.{axis}', angular
        yield 'sensor_msgs/msg/Imu', f'linear_acceleration.{axis}', linear
    for axis, value in angles.items():
        yield 'sensor_msgs/msg/Imu', f'orientation.{axis}', value


def frame_of(kind, field):
    if kind.endswith('Twist'):
        return {}
    return {'frame': 'base' if field.startswith('twist') else 'map'}


def read(kind, field, of=None):
    return reader(MESSAGES[kind], {'field': field} | frame_of(kind, field))(of or message(kind))


@pytest.mark.parametrize(('kind', 'field', 'value'), expected())
def test_every_field_is_read_where_it_stands(kind, field, value):
    assert read(kind, field) == pytest.approx(value)


def test_every_type_and_field_that_the_schema_names_is_known_and_no_other():
    """The branches of the schema allow exactly the fields that are read above, type by type."""
    assert {type_name(kind): kind for kind in MESSAGES.values()} == MESSAGES
    branches = [SCHEMA['$defs']['twist'], *SCHEMA['$defs']['source']['allOf']]
    documented = {
        (kind, field)
        for branch in branches
        if 'if' in branch
        for kind in MESSAGES
        if re.search(branch['if']['properties']['type']['pattern'], kind)
        for field in branch['then']['properties'].get('field', {}).get('enum', ())
    }
    joints = {('sensor_msgs/msg/JointState', field) for field in ('position', 'velocity', 'effort')}
    assert documented - joints == {(kind, field) for kind, field, _ in expected()}
    accepted = SCHEMA['$defs']['source']['properties']['type']
    assert all(re.search(accepted['pattern'], kind) and kind in accepted['description'] for kind in MESSAGES)


@pytest.mark.parametrize('seed', range(20))
def test_angles_are_those_of_scipy_also_of_a_quaternion_that_is_not_quite_normalised(seed):
    draw = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed)
    made = message('sensor_msgs/msg/Imu')
    fill(made.orientation, turn.as_quat() * draw.uniform(0.995, 1.005), 'xyzw')
    angles = [read('sensor_msgs/msg/Imu', f'orientation.{axis}', made) for axis in ('roll', 'pitch', 'yaw')]
    assert angles == pytest.approx(turn.as_euler('xyz'))


@pytest.mark.parametrize('sign', [1, -1])
def test_a_pitch_straight_up_or_down_is_a_number_however_its_quaternion_is_rounded(sign):
    made = message(POSES[0])
    for norm in np.linspace(0.995, 1.005, 100):
        fill(made.pose.orientation, norm * math.sqrt(0.5) * np.array([0, sign, 0, 1]), 'xyzw')
        assert read(POSES[0], 'pose.pitch', made) == pytest.approx(sign * math.pi / 2)


@pytest.mark.parametrize(
    ('kind', 'field'), [(kind, field) for kind, field, _ in expected() if kind != 'geometry_msgs/msg/Twist']
)
@pytest.mark.parametrize('frame', ['', '/map', 'odom'])
def test_another_frame_is_no_measurement(kind, field, frame):
    made = message(kind)
    if field.startswith('twist'):
        made.child_frame_id = frame
    else:
        made.header.frame_id = frame
    with pytest.raises(MessageError, match='wrong frame'):
        read(kind, field, made)


@pytest.mark.parametrize('part', IMU)
def test_what_an_imu_says_it_does_not_measure_is_no_measurement(part):
    made = message('sensor_msgs/msg/Imu')
    getattr(made, f'{part}_covariance')[0] = -1.0
    for other in IMU:
        field = f'{other}.yaw' if other == 'orientation' else f'{other}.x'
        if other == part:
            with pytest.raises(MessageError, match='not measured'):
                read('sensor_msgs/msg/Imu', field, made)
        else:
            assert math.isfinite(read('sensor_msgs/msg/Imu', field, made))


@pytest.mark.parametrize('kind', [*POSES, 'sensor_msgs/msg/Imu'])
@pytest.mark.parametrize('quaternion', [(0, 0, 0, 0), (0, 0, 0, 1.02), (NAN, 0, 0, 1), (INF, 0, 0, 0), (1, 1, 1, 1)])
def test_what_is_no_rotation_has_no_angles(kind, quaternion):
    made = message(kind)
    part = 'orientation' if kind.endswith('Imu') else 'pose'
    turned = made if kind.endswith('Imu') else made.pose if kind == POSES[0] else made.pose.pose
    fill(turned.orientation, quaternion, 'xyzw')
    for angle in ('roll', 'pitch', 'yaw'):
        with pytest.raises(MessageError, match='no rotation'):
            read(kind, f'{part}.{angle}', made)


@pytest.mark.parametrize(('kind', 'field'), [(kind, field) for kind, field, _ in expected()])
def test_random_numbers_make_a_state_that_is_one_or_none_at_all(load, kind, field):
    draw = np.random.default_rng(5)
    declared = declaration()
    source = {'element': 0, 'topic': '/sensor', 'type': kind, 'field': field, 'scale': 3.0} | frame_of(kind, field)
    declared['agents'][1]['state'] = [source]
    mapping = load(declared)
    tell_a(mapping, 0.0)
    special = [NAN, INF, -INF, 0.0, 1e308, -1e308, 5e-324, 1.0]
    for _ in range(50):
        made = message(kind)
        for leaf in vectors(made):
            axes = leaf.get_fields_and_field_types()
            fill(leaf, draw.choice(special, len(axes)), axes)
        take(mapping, '/sensor', made, 0.0)
        states = mapping.states(0.0, 1.0)
        assert states is None or np.isfinite(states[1]).all()
    assert set(mapping.dropped) <= {'not finite', 'no rotation'} and mapping.dropped.total()


def vectors(made):
    """All vectors and quaternions in a message."""
    if hasattr(made, 'x'):
        return [made]
    return [
        leaf for name in getattr(made, 'get_fields_and_field_types', dict)() for leaf in vectors(getattr(made, name))
    ]


@pytest.mark.parametrize('kind', MESSAGES)
def test_the_time_of_a_message_is_that_of_its_header(kind):
    made = MESSAGES[kind]()
    assert measured_at(made) == 0
    if hasattr(made, 'header'):
        assert measured_at(stamped(made, 3, 4)) == 3 * 10**9 + 4


def test_a_stamped_twist_is_commanded_with_its_frame_and_the_time_of_sending(load):
    """linear.x is 0.5 * 1.2 = 0.6; what is not commanded is zero."""
    declared = declaration()
    for target in declared['agents'][1]['input']:
        target |= {'type': 'geometry_msgs/msg/TwistStamped', 'frame': 'base'}
    mapping = load(declared)
    _, (topic, sent) = command(mapping, [np.array([0.5]), np.array([1.2, -0.7])], 0.1, 7 * 10**9 + 8)
    assert (topic, sent.header.frame_id) == ('/cmd_vel', 'base')
    assert (sent.header.stamp.sec, sent.header.stamp.nanosec) == (7, 8)
    assert [sent.twist.linear.x, sent.twist.angular.z] == pytest.approx([0.6, -0.7])
    assert not any([sent.twist.linear.y, sent.twist.linear.z, sent.twist.angular.x, sent.twist.angular.y])
    _, (_, safe) = mapping.safe_commands(9 * 10**9)
    assert (safe.header.stamp.sec, safe.twist.linear.x) == (9, 0.1)
