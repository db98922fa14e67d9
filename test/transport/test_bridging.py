"""The declared mapping between standard messages and agents' states and inputs; numbers by hand."""

import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip('rclpy')

from geometry_msgs.msg import Twist  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from dmpcrl_ros.systems.files import load_system  # noqa: E402
from dmpcrl_ros.transport.bridge_file import MappingError, load_mapping  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / 'config'
NAN, INF = float('nan'), float('inf')


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
                        'type': 'sensor_msgs/JointState',
                        'joint': 'slide',
                        'field': 'position',
                        'sign': -1,
                        'scale': 0.001,
                        'offset': 0.5,
                    },
                    {'element': 1, 'topic': '/force', 'type': 'std_msgs/Float64MultiArray', 'index': 2, 'scale': 10.0},
                ],
                'input': [
                    {
                        'element': 0,
                        'topic': '/a/commands',
                        'type': 'std_msgs/Float64MultiArray',
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
                    {'element': 0, 'topic': '/odom', 'type': 'nav_msgs/Odometry', 'field': 'pose.yaw', 'frame': 'map'}
                ],
                'input': [
                    {
                        'element': 1,
                        'topic': '/cmd_vel',
                        'type': 'geometry_msgs/Twist',
                        'field': 'angular.z',
                        'saturation': [-1.0, 1.0],
                        'safe': 0.0,
                    },
                    {
                        'element': 0,
                        'topic': '/cmd_vel',
                        'type': 'geometry_msgs/Twist',
                        'field': 'linear.x',
                        'scale': 0.5,
                        'saturation': [0.0, 0.8],
                        'safe': 0.1,
                    },
                ],
            },
        ]
    }


@pytest.fixture
def load(tmp_path):
    def load(declared, of=PAIR):
        path = tmp_path / 'bridge.yaml'
        path.write_text(declared if isinstance(declared, str) else yaml.safe_dump(declared))
        return load_mapping(path, of)

    return load


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


def tell_all(mapping, now=0.0):
    mapping.take('/joint_states', joints(), now)
    mapping.take('/force', array(7.0, 8.0, 9.0), now)
    mapping.take('/odom', odometry(-2.5), now)


def test_states_by_sign_scale_and_offset(load):
    """Joint at 300 mm: -0.001 * 300 + 0.5 = 0.2; force of index 2: 10 * 9 = 90; yaw as it is."""
    mapping = load(declaration())
    tell_all(mapping)
    a, b = mapping.states(0.0, 1.0)
    assert a == pytest.approx([0.2, 90.0]) and b == pytest.approx([-2.5])
    assert not mapping.dropped


def test_topics_with_their_types_each_once(load):
    mapping = load(declaration())
    assert mapping.subscriptions == [('/joint_states', JointState), ('/force', Float64MultiArray), ('/odom', Odometry)]
    assert mapping.publications == [('/a/commands', Float64MultiArray), ('/cmd_vel', Twist)]


def test_states_are_none_until_all_is_known_and_fresh(load):
    mapping = load(declaration())
    assert mapping.states(0.0, INF) is None
    tell_all(mapping, 10.0)
    mapping.take('/odom', odometry(1.0), 10.3)
    assert mapping.states(10.5, 0.5) is not None
    assert mapping.states(10.6, 0.5) is None
    assert mapping.stale(10.6, 0.5) == ['agent a: state 0 (/joint_states)', 'agent a: state 1 (/force)']
    assert mapping.stale(10.1, 0.5) == ['agent b: state 0 (/odom)']  # heard by a clock that was set back since


def test_states_handed_out_do_not_change_afterwards(load):
    mapping = load(declaration())
    tell_all(mapping)
    before = mapping.states(0.0, 1.0)
    mapping.take('/odom', odometry(1.0), 0.1)
    assert before[1] == pytest.approx([-2.5])


@pytest.mark.parametrize(
    ('topic', 'message', 'reason'),
    [
        ('/joint_states', joints(names=('hinge',)), 'no such joint'),
        ('/joint_states', joints(positions=()), 'wrong size'),
        ('/joint_states', joints(names=(), positions=()), 'no such joint'),
        ('/joint_states', joints(positions=(NAN,)), 'not finite'),
        ('/force', array(1.0, 2.0), 'wrong size'),
        ('/force', array(1.0, 2.0, 1e308), 'not finite'),
        ('/force', array(), 'wrong size'),
        ('/odom', odometry(frame='odom'), 'wrong frame'),
        ('/odom', odometry(frame=''), 'wrong frame'),
        ('/odom', odometry(NAN), 'no rotation'),
    ],
)
def test_what_does_not_fit_is_counted_and_not_kept(load, topic, message, reason):
    mapping = load(declaration())
    tell_all(mapping)
    mapping.take(topic, message, 1.0)
    assert mapping.dropped == Counter({reason: 1})
    assert np.concatenate(mapping.states(1.0, 1.0)) == pytest.approx([0.2, 90.0, -2.5])
    assert len(mapping.stale(1.5, 1.0)) == 3  # nothing looks newer than it is


def test_a_message_without_the_norm_of_a_rotation_is_refused(load):
    mapping = load(declaration())
    message = odometry()
    message.pose.pose.orientation.w = 0.0
    mapping.take('/odom', message, 0.0)
    assert mapping.dropped == {'no rotation': 1}


def test_a_twist_is_told_in_the_frame_of_the_child(load):
    declared = declaration()
    declared['agents'][1]['state'][0] |= {'field': 'twist.yaw', 'frame': 'base'}
    mapping = load(declared)
    mapping.take('/odom', odometry(yaw=0.25, frame='elsewhere'), 0.0)
    mapping.take('/odom', odometry(child='map'), 0.0)
    assert mapping.dropped == {'wrong frame': 1}


def test_agents_share_a_topic_and_one_joint_lacking_spares_the_others():
    mapping = load_mapping(CONFIG / 'mujoco_carts_bridge.yaml', load_system(CONFIG / 'mujoco_carts.yaml'))
    mapping.take('/joint_states', joints([1.0, 2.0, 3.0], ['right', 'left', 'middle'], [4.0, 5.0, NAN]), 0.0)
    assert mapping.dropped == {'not finite': 1}
    assert mapping.stale(0.0, 1.0) == ['agent middle: state 1 (/joint_states)']
    mapping.take('/joint_states', joints([1.0, 2.0, 3.0], ['right', 'left', 'middle'], [4.0, 5.0, 6.0]), 0.0)
    assert np.array(mapping.states(0.0, 1.0)).tolist() == [[2.0, 5.0], [3.0, 6.0], [1.0, 4.0]]


def sent(messages):
    """Values sent: of a's array, linear.x and angular.z."""
    (first, commands), (second, twist) = messages
    assert (first, second) == ('/a/commands', '/cmd_vel') and len(commands.data) == 1
    return [commands.data[0], twist.linear.x, twist.angular.z]


def test_commands_by_sign_scale_and_offset(load):
    """a: -2 * 0.5 + 1 = 0; b: 0.5 * 1.2 = 0.6 and -0.7 as it is."""
    mapping = load(declaration())
    assert sent(mapping.commands([np.array([0.5]), np.array([1.2, -0.7])], 0.1)) == pytest.approx([0.0, 0.6, -0.7])
    assert np.concatenate(mapping.applied()) == pytest.approx([0.5, 1.2, -0.7])


def test_rate_limit_then_saturation(load):
    """a: wants -2 * -3 + 1 = 7 from its safe 0; 30/s * 0.1 s = 3 a step: 3, then 5 (6 exceeds 5); back to -2 * 4 + 1 =
    -7 from 5, not from 7: 2, -1, -4, -4. An input of -1 sends 3, of -2 sends 5. b: 0.5 * 9 is saturated at 0.8: 1.6."""
    mapping = load(declaration())
    b = np.array([9.0, -9.0])
    assert sent(mapping.commands([np.array([-3.0]), b], 0.1)) == pytest.approx([3.0, 0.8, -1.0])
    assert np.concatenate(mapping.applied()) == pytest.approx([-1.0, 1.6, -1.0])
    assert sent(mapping.commands([np.array([-3.0]), b], 0.1))[0] == pytest.approx(5.0)
    assert mapping.applied()[0] == pytest.approx([-2.0])
    down = [sent(mapping.commands([np.array([4.0]), b], 0.1))[0] for _ in range(4)]
    assert down == pytest.approx([2.0, -1.0, -4.0, -4.0])
    assert sent(mapping.commands([np.array([-3.0]), b], 0.0))[0] == pytest.approx(-4.0)


def test_safe_commands_at_once(load):
    """From 5, the safe 0 needs no ramp, and the next command is limited from there. Safe 0 of a: (0 - 1) / -2 = 0.5."""
    mapping = load(declaration())
    mapping.commands([np.array([-3.0]), np.zeros(2)], 1.0)
    assert sent(mapping.safe_commands()) == [0.0, 0.1, 0.0]
    assert np.concatenate(mapping.applied()) == pytest.approx([0.5, 0.2, 0.0])
    assert sent(mapping.commands([np.array([-3.0]), np.zeros(2)], 0.1))[0] == pytest.approx(3.0)


def test_before_the_first_command_the_safe_values_are_applied(load):
    assert np.concatenate(load(declaration()).applied()) == pytest.approx([0.5, 0.2, 0.0])


@pytest.mark.parametrize(
    ('actions', 'period'),
    [
        ([[0.5]], 0.1),
        ([[0.5], [1.0]], 0.1),
        ([[0.5, 1.0], [1.0]], 0.1),
        ([0.5, [1.0, 1.0]], 0.1),
        ([[NAN], [1.0, 1.0]], 0.1),
        ([[0.5], [1.0, -INF]], 0.1),
        ([[0.5], [1.0, 1.0]], -0.1),
        ([[0.5], [1.0, 1.0]], NAN),
    ],
)
def test_commands_that_are_none_are_refused_and_change_nothing(load, actions, period):
    mapping = load(declaration())
    with pytest.raises(ValueError):
        mapping.commands([np.array(action) for action in actions], period)
    assert np.concatenate(mapping.applied()) == pytest.approx([0.5, 0.2, 0.0])


def test_several_inputs_in_one_array(load):
    declared = {
        'agents': [
            {
                'name': name,
                'state': [],
                'input': [
                    {
                        'element': 0,
                        'topic': '/commands',
                        'type': 'std_msgs/Float64MultiArray',
                        'index': index,
                        'saturation': [-9.0, 9.0],
                        'safe': 0.0,
                    }
                ],
            }
            for name, index in (('a', 1), ('b', 0))
        ]
    }
    mapping = load(declared, network((0, 1), (0, 1)))
    ((topic, message),) = mapping.commands([np.array([3.0]), np.array([4.0])], 0.1)
    assert (topic, message.data.tolist()) == ('/commands', [4.0, 3.0])


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
        (changed(0, 'state', 0, topic='joint_states'), ['agent a: state 0: topic']),
        (changed(0, 'state', 0, type='geometry_msgs/Pose'), ['agent a: state 0: type', 'geometry_msgs/Pose']),
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
        (changed(0, 'input', 0, topic='/force'), ['agent a: input 0', '/force tells a state']),
        (changed(1, 'input', 0, field='linear.x'), ['agent b: input 1', 'taken by agent b: input 0']),
        (changed(1, 'input', 0, field='pose.x'), ['agent b: input 1: field']),
        (changed(1, 'state', value={}), ['agent b: state']),
    ],
)
def test_a_wrong_mapping_is_refused_by_name(load, declared, words):
    with pytest.raises(MappingError) as refusal:
        load(declared)
    assert all(word in str(refusal.value) for word in ['bridge.yaml', *words]), refusal.value


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(MappingError, match='nowhere.yaml'):
        load_mapping(tmp_path / 'nowhere.yaml', PAIR)


def test_nothing_that_comes_in_makes_a_state_that_is_no_number(load):
    draw = np.random.default_rng(5)
    values = [NAN, INF, -INF, 0.0, 1e308, -1e308, 5e-324, 1.0]
    mapping = load(declaration())
    tell_all(mapping)
    for _ in range(2000):
        data = draw.choice(values, draw.integers(0, 5)).tolist()
        names = draw.choice(['slide', 'hinge', ''], draw.integers(0, 4)).tolist()
        odom = odometry(frame=str(draw.choice(['map', 'odom'])))
        for axis in 'xyzw':
            setattr(odom.pose.pose.orientation, axis, float(draw.choice(values)))
        mapping.take('/joint_states', joints(data, names, data), 0.0)
        mapping.take('/force', array(*data), 0.0)
        mapping.take('/odom', odom, 0.0)
        mapping.take(str(draw.choice(['/cmd_vel', '/unknown'])), odom, 0.0)
        assert all(np.isfinite(state).all() for state in mapping.states(0.0, 1.0))
    assert set(mapping.dropped) == {'no such joint', 'wrong size', 'not finite', 'wrong frame', 'no rotation'}


def test_nothing_that_goes_out_exceeds_the_limits(load):
    draw = np.random.default_rng(6)
    mapping, last = load(declaration()), 0.0
    for _ in range(2000):
        actions = [draw.choice([-1e308, -5.0, 0.0, 0.7, 1e308], size) for size in (1, 2)]
        period = float(draw.choice([0.0, 0.01, 0.1, 100.0]))
        a, x, z = sent(mapping.commands(actions, period))
        assert -4.0 <= a <= 5.0 and 0.0 <= x <= 0.8 and -1.0 <= z <= 1.0
        assert abs(a - last) <= 30.0 * period + 1e-12
        assert all(np.isfinite(applied).all() for applied in mapping.applied())
        last = a


def test_the_mapping_in_the_documentation_fits_what_it_says(load):
    """Robot 2 at 0.5 m of its own odometer, which counts the other way from 2 m: 2 - 0.5 = 1.5 m."""
    text = (CONFIG.parent / 'docs' / 'hardware.md').read_text(encoding='utf-8')
    mapping = load(
        text.split('```yaml\n')[1].split('```')[0],
        SimpleNamespace(
            name='robots', names=('robot_1', 'robot_2'), local=(SimpleNamespace(n_states=2, n_inputs=1),) * 2
        ),
    )
    for robot, place in (('robot_1', 1.0), ('robot_2', 0.5)):
        message = odometry(frame='odom', child=f'{robot}/base_link', x=0.25)
        message.pose.pose.position.x = place
        mapping.take(f'/{robot}/odom', message, 0.0)
    assert [state.tolist() for state in mapping.states(0.0, 1.0)] == [[1.0, 0.25], [1.5, -0.25]]
