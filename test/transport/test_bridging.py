# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The declared mapping between standard messages and agents' states and inputs; numbers by hand."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

pytest.importorskip('rclpy')

from bridge_parts import array, command, declaration, joints, network, odometry, resolve, take, tell_all  # noqa: E402
from geometry_msgs.msg import Twist  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from dmpcrl_ros.systems.files import load_system  # noqa: E402
from dmpcrl_ros.transport.bridge_file import load_mapping  # noqa: E402
from dmpcrl_ros.transport.bridge_messages import MESSAGES  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / 'config'
NAN, INF = float('nan'), float('inf')


def test_states_by_sign_scale_and_offset(load):
    """Joint at 300 mm: -0.001 * 300 + 0.5 = 0.2; force of index 2: 10 * 9 = 90; yaw as it is."""
    mapping = load(declaration())
    tell_all(mapping)
    a, b = mapping.states(0.0, 1.0)
    assert a == pytest.approx([0.2, 90.0]) and b == pytest.approx([-2.5])
    assert not mapping.dropped


def test_topics_with_their_types_each_once(load):
    mapping = load(declaration())
    assert [(str(topic), kind) for topic, kind in mapping.subscriptions] == [
        ('/joint_states', JointState),
        ('/force', Float64MultiArray),
        ('/odom', Odometry),
    ]
    assert [(str(topic), kind) for topic, kind in mapping.publications] == [
        ('/a/commands', Float64MultiArray),
        ('/cmd_vel', Twist),
    ]


def test_states_are_none_until_all_is_known_and_fresh(load):
    mapping = load(declaration())
    assert mapping.states(0.0, INF) is None
    tell_all(mapping, 10.0)
    take(mapping, '/odom', odometry(1.0), 10.3)
    assert mapping.states(10.5, 0.5) is not None
    assert mapping.states(10.6, 0.5) is None
    assert mapping.stale(10.6, 0.5) == ['agent a: state 0 (/joint_states)', 'agent a: state 1 (/force)']
    assert mapping.stale(10.1, 0.5) == ['agent b: state 0 (/odom)']  # received by a clock that was set back later


def test_states_handed_out_do_not_change_afterwards(load):
    mapping = load(declaration())
    tell_all(mapping)
    before = mapping.states(0.0, 1.0)
    take(mapping, '/odom', odometry(1.0), 0.1)
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
    take(mapping, topic, message, 1.0)
    assert mapping.dropped == Counter({reason: 1})
    assert np.concatenate(mapping.states(1.0, 1.0)) == pytest.approx([0.2, 90.0, -2.5])
    assert len(mapping.stale(1.5, 1.0)) == 3  # nothing looks newer than it is


def test_a_message_without_the_norm_of_a_rotation_is_refused(load):
    mapping = load(declaration())
    message = odometry()
    message.pose.pose.orientation.w = 0.0
    take(mapping, '/odom', message, 0.0)
    assert mapping.dropped == {'no rotation': 1}


def test_a_twist_is_told_in_the_frame_of_the_child(load):
    declared = declaration()
    declared['agents'][1]['state'][0] |= {'field': 'twist.yaw', 'frame': 'base'}
    mapping = load(declared)
    take(mapping, '/odom', odometry(yaw=0.25, frame='elsewhere'), 0.0)
    take(mapping, '/odom', odometry(child='map'), 0.0)
    assert mapping.dropped == {'wrong frame': 1}


def test_agents_share_a_topic_and_one_joint_lacking_spares_the_others():
    mapping = load_mapping(CONFIG / 'mujoco_carts_bridge.yaml', load_system(CONFIG / 'mujoco_carts.yaml'), resolve)
    take(mapping, '/joint_states', joints([1.0, 2.0, 3.0], ['right', 'left', 'middle'], [4.0, 5.0, NAN]), 0.0)
    assert mapping.dropped == {'not finite': 1}
    assert mapping.stale(0.0, 1.0) == ['agent middle: state 1 (/joint_states)']
    take(mapping, '/joint_states', joints([1.0, 2.0, 3.0], ['right', 'left', 'middle'], [4.0, 5.0, 6.0]), 0.0)
    assert np.array(mapping.states(0.0, 1.0)).tolist() == [[2.0, 5.0], [3.0, 6.0], [1.0, 4.0]]


def sent(messages):
    """Values sent: of a's array, linear.x and angular.z."""
    (first, commands), (second, twist) = messages
    assert (str(first), str(second)) == ('/a/commands', '/cmd_vel') and len(commands.data) == 1
    return [commands.data[0], twist.linear.x, twist.angular.z]


def test_commands_by_sign_scale_and_offset(load):
    """a: -2 * 0.5 + 1 = 0; b: 0.5 * 1.2 = 0.6 and -0.7 as it is."""
    mapping = load(declaration())
    assert sent(command(mapping, [np.array([0.5]), np.array([1.2, -0.7])], 0.1)) == pytest.approx([0.0, 0.6, -0.7])
    assert np.concatenate(mapping.applied()) == pytest.approx([0.5, 1.2, -0.7])


def test_rate_limit_then_saturation(load):
    """a: wants -2 * -3 + 1 = 7 from its safe 0; 30/s * 0.1 s = 3 a step: 3, then 5 (6 exceeds 5); back to -2 * 4 + 1 =
    -7 from 5, not from 7: 2, -1, -4, -4. An input of -1 sends 3, of -2 sends 5. b: 0.5 * 9 is saturated at 0.8: 1.6."""
    mapping = load(declaration())
    b = np.array([9.0, -9.0])
    assert sent(command(mapping, [np.array([-3.0]), b], 0.1)) == pytest.approx([3.0, 0.8, -1.0])
    assert np.concatenate(mapping.applied()) == pytest.approx([-1.0, 1.6, -1.0])
    assert sent(command(mapping, [np.array([-3.0]), b], 0.1))[0] == pytest.approx(5.0)
    assert mapping.applied()[0] == pytest.approx([-2.0])
    down = [sent(command(mapping, [np.array([4.0]), b], 0.1))[0] for _ in range(4)]
    assert down == pytest.approx([2.0, -1.0, -4.0, -4.0])
    assert sent(command(mapping, [np.array([-3.0]), b], 0.0))[0] == pytest.approx(-4.0)


def test_safe_commands_at_once(load):
    """From 5, the safe 0 needs no ramp, and the next command is limited from there. Safe 0 of a: (0 - 1) / -2 = 0.5."""
    mapping = load(declaration())
    command(mapping, [np.array([-3.0]), np.zeros(2)], 1.0)
    assert sent(mapping.safe_commands(0)) == [0.0, 0.1, 0.0]
    assert np.concatenate(mapping.applied()) == pytest.approx([0.5, 0.2, 0.0])
    assert sent(command(mapping, [np.array([-3.0]), np.zeros(2)], 0.1))[0] == pytest.approx(3.0)


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
        command(mapping, [np.array(action) for action in actions], period)
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
                        'type': 'std_msgs/msg/Float64MultiArray',
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
    ((topic, message),) = command(mapping, [np.array([3.0]), np.array([4.0])], 0.1)
    assert (topic, message.data.tolist()) == ('/commands', [4.0, 3.0])


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
        take(mapping, '/joint_states', joints(data, names, data), 0.0)
        take(mapping, '/force', array(*data), 0.0)
        take(mapping, '/odom', odom, 0.0)
        assert all(np.isfinite(state).all() for state in mapping.states(0.0, 1.0))
    assert set(mapping.dropped) == {'no such joint', 'wrong size', 'not finite', 'wrong frame', 'no rotation'}


def test_nothing_that_goes_out_exceeds_the_limits(load):
    draw = np.random.default_rng(6)
    mapping, last = load(declaration()), 0.0
    for _ in range(2000):
        actions = [draw.choice([-1e308, -5.0, 0.0, 0.7, 1e308], size) for size in (1, 2)]
        period = float(draw.choice([0.0, 0.01, 0.1, 100.0]))
        a, x, z = sent(command(mapping, actions, period))
        assert -4.0 <= a <= 5.0 and 0.0 <= x <= 0.8 and -1.0 <= z <= 1.0
        assert abs(a - last) <= 30.0 * period + 1e-12
        assert all(np.isfinite(applied).all() for applied in mapping.applied())
        last = a


ROBOTS = SimpleNamespace(
    name='robots', names=('robot_1', 'robot_2'), local=(SimpleNamespace(n_states=2, n_inputs=1),) * 2
)


def tell_places(mapping, **places):
    for robot, place in places.items():
        message = odometry(frame='odom', child=f'{robot}/base_link', x=0.25)
        message.pose.pose.position.x = place
        take(mapping, f'/{robot}/odom', message, 0.0)


def test_the_mappings_in_the_documentation_fit_what_it_says(load):
    """Robot 2 at 0.5 m of its own odometer, which counts the other way from 2 m: 2 - 0.5 = 1.5 m."""
    text = (CONFIG.parent / 'docs' / 'hardware.md').read_text(encoding='utf-8')
    mapping_text, difference = (part.split('```')[0] for part in text.split('```yaml\n')[1:3])
    mapping = load(mapping_text, ROBOTS)
    tell_places(mapping, robot_1=1.0, robot_2=0.5)
    assert [state.tolist() for state in mapping.states(0.0, 1.0)] == [[1.0, 0.25], [1.5, -0.25]]

    declared = yaml.safe_load(mapping_text)
    declared['agents'][0]['state'][:1] = yaml.safe_load(difference)
    mapping = load(declared, ROBOTS)
    tell_places(mapping, robot_1=3.0, robot_2=0.5)
    assert [state.tolist() for state in mapping.states(0.0, 1.0)] == [[1.5, 0.25], [1.5, -0.25]]


def test_every_type_that_can_be_mapped_is_in_the_documentation():
    text = (CONFIG.parent / 'docs' / 'hardware.md').read_text(encoding='utf-8')
    assert not [kind for kind in MESSAGES if f'| `{kind}`' not in text and f', `{kind}` |' not in text]
