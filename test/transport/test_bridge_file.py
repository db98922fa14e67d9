# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Mappings of a bridge that do not fit are refused by names."""

import pytest
import yaml

pytest.importorskip('rclpy')

from bridge_parts import PAIR, changed, declaration, resolve  # noqa: E402

from dmpcrl_ros.transport.bridge_file import MappingError, load_mapping  # noqa: E402

NAN, INF = float('nan'), float('inf')
ODOMETER = {'topic': '/other/odom', 'type': 'nav_msgs/msg/Odometry', 'field': 'pose.yaw', 'frame': 'map'}


@pytest.mark.parametrize(
    ('declared', 'words'),
    [
        ('agents: [', ['not YAML']),
        ('[]', ['mapping', 'object']),
        ({'agents': []}, ['agents']),
        (changed(1), ['agents a;', 'has a, b']),
        (changed(1, 'name', value='c'), ['agents a, c', 'has a, b']),
        (changed(1, 'name', value='a'), ['agents a, a']),
        (changed(0, 'state', 1), ['agent a: state 1', '0 times']),
        (changed(0, 'state', 1, element=0), ['agent a: state 0', '2 times']),
        (changed(0, 'state', 1, element=2), ['agent a: state', '1 is mapped 0 times']),
        (changed(0, 'input', value=[]), ['agent a: input 0', '0 times']),
        (changed(1, 'input', 0, element=7), ['agent b: input 1', '0 times']),
        (changed(0, 'state', 0, 'joint'), ['agent a: state 0', "'joint' is a required property"]),
        (changed(0, 'state', 0, 'topic'), ['agent a: state 0', "'topic' is a required property"]),
        (changed(0, 'state', 0, 'type'), ['agent a: state 0', "'type' is a required property"]),
        (changed(0, 'state', 0, field='torque'), ['agent a: state 0: field', 'torque']),
        (changed(0, 'state', 0, sign=2), ['agent a: state 0: sign']),
        (changed(0, 'state', 0, scale=0), ['agent a: state 0: scale']),
        (changed(0, 'state', 0, scale=NAN), ['agent a: state 0: scale', 'finite']),
        (changed(0, 'state', 0, offset=INF), ['agent a: state 0: offset', 'finite']),
        (
            changed(0, 'state', 0, topic='joint states'),
            ['agent a: state 0: topic', "'joint states' is not a name of a topic", '~/odom'],
        ),
        (
            changed(0, 'state', 0, type='geometry_msgs/msg/Pose'),
            ['agent a: state 0: type', "msg/Pose'", 'msg/PoseStamped'],
        ),
        (changed(0, 'state', 0, type=5), ['agent a: state 0: type', '5', 'string']),
        (changed(0, 'state', 0, saturation=[0, 1]), ['agent a: state 0', 'saturation']),
        (changed(0, 'state', 1, 'index'), ['agent a: state 1', "'index' is a required property"]),
        (changed(0, 'state', 1, index=-1), ['agent a: state 1: index']),
        (changed(0, 'state', 1, topic='/joint_states'), ['agent a: state 1', '/joint_states', 'another type']),
        (changed(1, 'state', 0, 'frame'), ['agent b: state 0', "'frame' is a required property"]),
        (changed(0, 'input', 0, 'safe'), ['agent a: input 0', "'safe' is a required property"]),
        (changed(0, 'input', 0, 'saturation'), ['agent a: input 0', "'saturation' is a required property"]),
        (changed(0, 'input', 0, saturation=[1.0]), ['agent a: input 0: saturation']),
        (changed(0, 'input', 0, saturation=[5.0, -4.0]), ['agent a: input 0', 'safe']),
        (changed(0, 'input', 0, saturation=[-INF, 1.0]), ['agent a: input 0', 'saturation', 'finite']),
        (changed(0, 'input', 0, safe=6.0), ['agent a: input 0', 'safe must lie within']),
        (changed(0, 'input', 0, safe=NAN), ['agent a: input 0', 'safe', 'finite']),
        (changed(0, 'input', 0, rate_limit=0.0), ['agent a: input 0: rate_limit']),
        (changed(0, 'input', 0, rate_limit=NAN), ['agent a: input 0', 'rate_limit']),
        (changed(0, 'input', 0, rate_limt=3.0), ['agent a: input 0', 'rate_limt']),
        (changed(0, 'input', 0, index=1), ['agent a: input 0', 'index 1']),
        (changed(0, 'input', 0, topic='/force'), ['agent a: input 0', '/force measures a state']),
        (changed(1, 'input', 0, field='linear.x'), ['agent b: input 1', 'taken by agent b: input 0']),
        (changed(1, 'input', 0, field='pose.x'), ['agent b: input 1: field']),
        (changed(0, 'state', 0, topic='/a//b'), ['agent a: state 0: topic', "'/a//b' is not a name"]),
        (changed(0, 'input', 0, topic=''), ['agent a: input 0: topic', "'' is not a name"]),
        (changed(0, 'input', 0, topic='/' + 'x' * 300), ['agent a: input 0: topic', 'too long']),
        (changed(0, 'input', 0, type='nav_msgs/msg/Odometry'), ['agent a: input 0: type', 'msg/Odometry', 'msg/Twist']),
        (changed(1, 'input', 0, type='geometry_msgs/msg/TwistStamped'), ["'frame' is a required property"]),
        (changed(1, 'input', 0, frame='base'), ['agent b: input 1', "'frame'"]),
        (changed(1, 'state', 0, type='sensor_msgs/msg/Imu'), ['agent b: state 0: field', 'orientation.yaw']),
        (changed(1, 'state', 0, type='geometry_msgs/msg/PoseStamped', field='twist.x'), ['state 0: field', 'pose.yaw']),
        (changed(1, 'state', 0, wrap='yes'), ['agent b: state 0: wrap']),
        (changed(1, 'state', 0, minus=3), ['agent b: state 0: minus']),
        (changed(1, 'state', 0, minus={}), ['agent b: state 0: minus', 'is a required property']),
        (changed(1, 'state', 0, minus=ODOMETER | {'frame': ''}), ['agent b: state 0: minus.frame']),
        (changed(1, 'state', 0, minus=ODOMETER | {'element': 0}), ['agent b: state 0: minus', "'element'"]),
        (changed(1, 'state', 0, minus=ODOMETER | {'minus': ODOMETER}), ['agent b: state 0: minus', "'minus'"]),
        (changed(1, 'state', 0, minus=ODOMETER | {'scale': INF}), ['agent b: state 0: minus: scale', 'finite']),
        (changed(1, 'state', 0, minus=ODOMETER | {'topic': '/force'}), ['/force', 'another type']),
        (changed(1, 'state', 0, minus=ODOMETER | {'topic': '/cmd_vel'}), ['/cmd_vel']),
        (changed(1, 'state', value={}), ['agent b: state']),
    ],
)
def test_a_wrong_mapping_is_refused_by_name(load, declared, words):
    with pytest.raises(MappingError) as refusal:
        load(declared)
    assert 'does not match' not in str(refusal.value)
    assert all(word in str(refusal.value) for word in ['bridge.yaml', *words]), refusal.value


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(MappingError, match='nowhere.yaml'):
        load_mapping(tmp_path / 'nowhere.yaml', PAIR, resolve)


def test_one_command_has_one_frame(load):
    declared = declaration()
    for frame, target in zip(('base', 'map'), declared['agents'][1]['input'], strict=True):
        target |= {'type': 'geometry_msgs/msg/TwistStamped', 'frame': frame}
    with pytest.raises(MappingError, match='agent b: input 1: /cmd_vel has another frame elsewhere, map'):
        load(declared)


def test_both_spellings_of_a_type_mean_the_same(load):
    long, short = load(declaration()), load(yaml.safe_dump(declaration()).replace('/msg/', '/'))
    assert short.subscriptions == long.subscriptions and short.publications == long.publications


RELATIVE_AND_RESOLVED = [('odom', '/fleet/odom'), ('~/odom', '/fleet/bridge/odom')]


@pytest.mark.parametrize(('relative', 'resolved'), RELATIVE_AND_RESOLVED)
def test_a_topic_is_the_same_however_it_is_declared(load, relative, resolved):
    """The bridge is the node `bridge` in the namespace /fleet."""
    declared = changed(1, 'state', 0, topic=relative)
    declared['agents'][0]['state'][1] = ODOMETER | {'element': 1, 'topic': resolved}
    (topic,) = [topic for topic, _ in load(declared).subscriptions if topic.resolved == resolved]
    assert topic.declared == resolved  # as it was declared first


@pytest.mark.parametrize(('relative', 'resolved'), RELATIVE_AND_RESOLVED)
def test_conflicts_are_found_however_a_topic_is_declared(load, relative, resolved):
    """One that is measured and commanded, and one of two types."""
    declared = changed(0, 'input', 0, topic=relative)
    declared['agents'][0]['state'][1]['topic'] = resolved
    with pytest.raises(MappingError, match=f'agent a: input 0: {resolved} measures a state'):
        load(declared)
    declared = changed(1, 'state', 0, topic=relative)
    declared['agents'][0]['state'][1]['topic'] = resolved
    with pytest.raises(MappingError, match=f'agent b: state 0: {resolved} has another type .*Float64MultiArray'):
        load(declared)
