# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Elements of states with the times at which they were measured; numbers by hand."""

import math

import pytest

pytest.importorskip('rclpy')

from bridge_parts import array, declaration, joints, odometry, stamped, take, tell_a  # noqa: E402

DISTANCE = {
    'element': 0,
    'topic': '/front/odom',
    'type': 'nav_msgs/msg/Odometry',
    'field': 'pose.x',
    'frame': 'map',
    'scale': 2.0,
    'offset': 1.0,
    'minus': {
        'topic': '/rear/distance',
        'type': 'std_msgs/msg/Float64MultiArray',
        'index': 1,
        'sign': -1,
        'scale': 0.001,
        'offset': 0.5,
    },
}
HEADING = {
    'element': 0,
    'topic': '/odom',
    'type': 'nav_msgs/msg/Odometry',
    'field': 'pose.yaw',
    'frame': 'map',
    'wrap': True,
    'minus': {'topic': '/other/odom', 'type': 'nav_msgs/msg/Odometry', 'field': 'pose.yaw', 'frame': 'map'},
}


def element_of_b(load, element):
    """The mapping with this element as b's state, and that of a measured at 1 s."""
    declared = declaration()
    declared['agents'][1]['state'] = [element]
    mapping = load(declared)
    tell_a(mapping, 0.0, 10**9)
    return mapping


def at(x, seconds=0, frame='map'):
    message = stamped(odometry(frame=frame), seconds)
    message.pose.pose.position.x = x
    return message


def test_a_difference_is_that_of_two_values_each_converted_by_its_own_numbers(load):
    """Front: 2 * 3 + 1 = 7; rear: -0.001 * 250 + 0.5 = 0.25; 7 - 0.25 = 6.75."""
    mapping = element_of_b(load, DISTANCE)
    take(mapping, '/front/odom', at(3.0), 0.0)
    take(mapping, '/rear/distance', array(9.0, 250.0), 0.0)
    assert mapping.states(0.0, 1.0)[1] == pytest.approx([6.75])


def test_a_difference_is_as_old_as_the_older_of_its_two_values(load):
    mapping = element_of_b(load, DISTANCE)
    front, rear = 'agent b: state 0 (/front/odom)', 'agent b: state 0: minus (/rear/distance)'
    assert mapping.stale(0.0, 1.0) == [front, rear]
    take(mapping, '/front/odom', at(3.0, 7), 0.0)
    assert mapping.stale(0.0, 1.0) == [rear] and mapping.states(0.0, 1.0) is None
    take(mapping, '/rear/distance', array(9.0, 250.0), 0.4, 5 * 10**9)
    assert mapping.measured_at() == [10**9, 5 * 10**9]
    take(mapping, '/front/odom', at(3.0, 4), 0.4)
    assert mapping.measured_at() == [10**9, 4 * 10**9]
    tell_a(mapping, 1.2)
    assert mapping.stale(1.4, 1.0) == []
    assert mapping.stale(1.5, 1.0) == [front, rear]
    take(mapping, '/front/odom', at(3.0, 8), 1.5)
    assert mapping.stale(1.5, 1.0) == [rear]


def test_a_value_that_does_not_fit_leaves_the_other_side_of_a_difference_alone(load):
    mapping = element_of_b(load, DISTANCE)
    take(mapping, '/front/odom', at(3.0), 0.0)
    take(mapping, '/rear/distance', array(9.0, 250.0), 0.0)
    take(mapping, '/front/odom', at(5.0, frame='odom'), 0.5)
    take(mapping, '/rear/distance', array(9.0), 0.5)
    assert mapping.dropped == {'wrong frame': 1, 'wrong size': 1}
    assert mapping.states(0.5, 1.0)[1] == pytest.approx([6.75])


def test_a_difference_of_the_largest_values_is_a_number_or_is_not_taken(load):
    mapping = element_of_b(load, DISTANCE | {'scale': 1.0})
    take(mapping, '/rear/distance', array(0.0, 0.9e308), 0.0)
    for x in (0.9e308, 0.8e308):
        take(mapping, '/front/odom', at(x), 0.0)
    assert mapping.dropped == {'not finite': 1} and math.isfinite(mapping.states(0.0, 1.0)[1][0])


@pytest.mark.parametrize(
    ('wrap', 'mine', 'other', 'difference'),
    [(True, 3.0, -3.0, 6.0 - 2 * math.pi), (True, -2.0, 2.0, 2 * math.pi - 4.0), (False, 3.0, -3.0, 6.0)],
)
def test_an_angle_is_wrapped_if_so_declared(load, wrap, mine, other, difference):
    mapping = element_of_b(load, HEADING | {'wrap': wrap})
    take(mapping, '/odom', odometry(mine), 0.0)
    take(mapping, '/other/odom', odometry(other), 0.0)
    assert mapping.states(0.0, 1.0)[1] == pytest.approx([difference])


def test_the_time_of_a_state_is_that_of_its_oldest_element(load):
    """Time in the header, or of arrival without a stamp."""
    mapping = load(declaration())
    assert mapping.measured_at() == [0, 0]
    take(mapping, '/joint_states', stamped(joints(), 12, 345), 0.0, 90 * 10**9)
    take(mapping, '/force', array(7.0, 8.0, 9.0), 0.0, 13 * 10**9)
    take(mapping, '/odom', odometry(1.0), 0.0, 14 * 10**9)
    assert mapping.measured_at() == [12 * 10**9 + 345, 14 * 10**9]
    take(mapping, '/joint_states', stamped(joints(), 15), 0.1, 90 * 10**9)
    assert mapping.measured_at() == [13 * 10**9, 14 * 10**9]


def test_a_stamp_that_stands_still_is_no_new_measurement(load):
    mapping = element_of_b(load, DISTANCE)
    take(mapping, '/rear/distance', array(9.0, 250.0), 0.0)
    take(mapping, '/front/odom', at(3.0, 5), 0.0)
    take(mapping, '/front/odom', at(9.0, 5), 0.9)
    assert mapping.dropped == {'same stamp again': 1}
    assert mapping.states(1.0, 1.0)[1] == pytest.approx([6.75])
    assert 'agent b: state 0 (/front/odom)' in mapping.stale(1.1, 1.0)
    take(mapping, '/front/odom', at(9.0, 4), 1.1)  # as after a reset of simulated time
    assert 'agent b: state 0 (/front/odom)' not in mapping.stale(1.1, 1.0)


def test_messages_without_a_stamp_are_all_new(load):
    mapping = load(declaration())
    for now in (0.0, 1.0):
        take(mapping, '/odom', odometry(now), now, int(now))
    assert not mapping.dropped and mapping.measured_at()[1] == 1
    assert 'agent b: state 0 (/odom)' not in mapping.stale(1.5, 1.0)


def test_a_stamp_counts_for_the_value_that_came_with_it(load):
    """Two publishers share a topic: the joint comes in the second message of the same time."""
    mapping = load(declaration())
    take(mapping, '/joint_states', stamped(joints(names=('hinge',)), 5), 0.0)
    take(mapping, '/joint_states', stamped(joints(), 5), 0.0)
    assert mapping.dropped == {'no such joint': 1}
    assert 'agent a: state 0 (/joint_states)' not in mapping.stale(0.0, 1.0)


@pytest.mark.parametrize(('seconds', 'nanoseconds'), [(-1, 0), (1, 10**9), (-(2**31), 0), (2**31 - 1, 2**32 - 1)])
def test_a_stamp_that_is_no_time_is_refused(load, seconds, nanoseconds):
    mapping = load(declaration())
    take(mapping, '/joint_states', stamped(joints(), seconds, nanoseconds), 0.0)
    assert mapping.dropped == {'no time': 1} and mapping.measured_at() == [0, 0]
