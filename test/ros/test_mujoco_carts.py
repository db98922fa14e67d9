# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The simulated carts as a process of their own, seen through standard topics and its log."""

import csv
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('mujoco', reason='MuJoCo is not installed: pip install --no-deps -r requirements/physics.txt')

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from ros_system import PATIENCE, interrupt  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

SIMULATOR = Path(__file__).resolve().parents[2] / 'simulators' / 'mujoco_carts'
CARTS = ['left', 'middle', 'right']
START = [0.3, 0.1, 0.2]


def simulate(*arguments):
    return subprocess.Popen(
        [sys.executable, '-P', SIMULATOR, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def finished(process):
    output, _ = process.communicate(timeout=60.0)
    assert process.returncode == 0, output
    return output


def read_log(path):
    """Columns by name."""
    with path.open(encoding='utf-8') as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, np.array(rows, dtype=float).T, strict=True))


def first_after_reset(log):
    return np.flatnonzero(np.diff(log['since_reset']) < 0.0)[0] + 1


class Listener:
    """Hears the joints, commands the motors."""

    def __init__(self):
        rclpy.init()
        self.node = rclpy.create_node('listener')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.joints, self.clocks = [], []
        self.node.create_subscription(JointState, '/joint_states', self.joints.append, 1000)
        self.node.create_subscription(Clock, '/clock', self.clocks.append, rclpy.qos.qos_profile_sensor_data)
        self.motors = {
            cart: self.node.create_publisher(Float64MultiArray, f'/{cart}_effort_controller/commands', 10)
            for cart in CARTS
        }
        self.reset = self.node.create_client(Trigger, '/simulator/reset')

    def spin_until(self, condition, what, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f'waited {seconds} s for {what}'
            self.executor.spin_once(timeout_sec=0.05)

    def command(self, cart, *values):
        self.motors[cart].publish(Float64MultiArray(data=values))

    def ask_for_reset(self):
        """Until there is an answer: the simulator drops those to clients that it does not know yet."""
        for _ in range(4):
            answer = self.reset.call_async(Trigger.Request())
            with suppress(AssertionError):
                self.spin_until(answer.done, 'the reset', PATIENCE / 4)
                return answer.result().success
        return False

    def hear(self, condition, what):
        """First message from now on that meets a condition."""
        start = len(self.joints)
        self.spin_until(lambda: any(map(condition, self.joints[start:])), what)
        return next(filter(condition, self.joints[start:]))


@contextmanager
def listening():
    """A listener that is joined to the simulator."""
    listener = Listener()
    try:
        listener.spin_until(
            lambda: (
                listener.joints
                and listener.reset.service_is_ready()
                and all(motor.get_subscription_count() for motor in listener.motors.values())
            ),
            'the simulator',
        )
        yield listener
    finally:
        listener.node.destroy_node()  # leaves the domain, which the next test may have
        rclpy.try_shutdown()


@pytest.fixture
def carts(domain, tmp_path):
    """Listener and running simulator, without gusts unless asked for, whose log is tmp_path/log.csv."""
    process = simulate('--gusts', 0, '--log', tmp_path / 'log.csv')
    try:
        with listening() as listener:
            yield listener, process
    finally:
        process.kill()
        process.communicate()


def test_joint_states_and_clock_arrive_stamped(carts):
    listener, process = carts
    listener.spin_until(lambda: len(listener.joints) > 20 and listener.clocks, 'messages')
    last = listener.joints[-1]
    assert list(last.name) == CARTS
    assert [len(field) for field in (last.position, last.velocity, last.effort)] == [3, 3, 3]
    ticks = np.diff(
        [100.0 * message.header.stamp.sec + 1e-7 * message.header.stamp.nanosec for message in listener.joints]
    )
    assert np.allclose(ticks, ticks.round(), atol=1e-4) and ticks.round().min() == 1.0  # best effort: one may be lost
    interrupt(process)
    assert 'largest commands: left 0 N' in finished(process)


def test_a_command_accelerates_its_cart(carts, tmp_path):
    """Left cart, 1 kg, at q_l with its neighbour at q_m: a = 2 N - 1 q_l - 2 (q_l - q_m) - 0.3 v_l - 0.1 (v_l - v_m),
    give or take 0.06 N of dry friction: from rest at the start, 2 - 0.3 - 0.4 = 1.3 m/s2."""
    listener, process = carts
    listener.command('left', 2.0)
    listener.hear(lambda message: message.effort[0] == 2.0 and message.velocity[0] > 0.05, 'the motor')
    interrupt(process)
    finished(process)
    log = read_log(tmp_path / 'log.csv')
    i = np.flatnonzero(log['force_left'] == 2.0)[1]
    q_l, q_m, v_l, v_m = (
        0.5 * (log[name][i - 1] + log[name][i])
        for name in ('position_left', 'position_middle', 'velocity_left', 'velocity_middle')
    )
    acceleration = (log['velocity_left'][i] - log['velocity_left'][i - 1]) / 0.01
    assert abs(acceleration - (2.0 - q_l - 2.0 * (q_l - q_m) - 0.3 * v_l - 0.1 * (v_l - v_m))) < 0.06 + 0.02
    assert log['force_middle'][i] == 0.0


def test_motors_saturate_and_stop_when_commands_cease(carts, tmp_path):
    listener, process = carts
    listener.command('right', -50.0)
    listener.hear(lambda message: message.effort[2] == -3.0, 'the motor at its limit')
    listener.hear(lambda message: message.effort[2] == 0.0, 'the motor to be switched off')
    interrupt(process)
    assert 'right 50 N; ignored: none' in finished(process)
    log = read_log(tmp_path / 'log.csv')
    assert log['largest_command_right'][-1] == 50.0
    assert np.abs(log['force_right']).max() == 3.0
    driven = np.flatnonzero(log['force_right'])
    assert log['time'][driven[-1]] - log['time'][driven[0]] == pytest.approx(0.5, abs=0.011)


def test_commands_that_do_not_fit_are_ignored_and_counted(carts):
    listener, process = carts
    for values in ([float('nan')], [float('inf')], [], [1.0, 1.0]):
        listener.command('middle', *values)
    listener.command('middle', 1.0)
    listener.hear(lambda message: message.effort[1] == 1.0, 'the motor')
    interrupt(process)
    output = finished(process)
    assert 'middle 1 N' in output and '2 not finite' in output and '2 wrong size' in output


def test_reset_goes_back_to_the_start_while_the_clock_goes_on(carts, tmp_path):
    listener, process = carts
    listener.hear(lambda message: abs(message.position[0] - 0.3) > 0.05, 'the carts to move')
    assert listener.ask_for_reset()
    start = len(listener.joints)
    listener.spin_until(lambda: len(listener.joints) > start + 10, 'the carts to go on')
    stamps = [(message.header.stamp.sec, message.header.stamp.nanosec) for message in listener.joints]
    assert all(before < after for before, after in pairwise(stamps))
    interrupt(process)
    finished(process)
    log = read_log(tmp_path / 'log.csv')
    back = first_after_reset(log)
    assert np.allclose([log[f'position_{cart}'][back] for cart in CARTS], START, atol=0.01)
    assert (np.diff(log['time']) > 0.0).all()


def test_gusts_repeat_with_the_seed_and_after_a_reset(domain, tmp_path):
    logs = []
    for run, seed in enumerate([7, 7, 8]):
        path = tmp_path / f'{run}.csv'
        finished(
            simulate(
                '--seed',
                seed,
                '--rate',
                10,
                '--duration',
                2,
                '--log',
                path,
                *(['--render', tmp_path / 'strip.png'] if run == 0 else []),
            )
        )
        logs.append(read_log(path))
    assert all((logs[0][name] == logs[1][name]).all() for name in logs[0])
    assert (logs[0]['gust_left'] != logs[2]['gust_left']).all()
    gusts = logs[0]['gust_left']
    assert gusts.size == 200 and -0.8 <= gusts.min() < gusts.max() <= 0.0
    assert len(set(gusts)) == 20  # one in every 0.1 s
    assert (tmp_path / 'strip.png').read_bytes().startswith(b'\x89PNG')

    process = simulate('--seed', 7, '--log', tmp_path / 'reset.csv')
    try:
        with listening() as listener:
            listener.spin_until(lambda: len(listener.joints) > 30, 'some gusts')
            assert listener.ask_for_reset()
            start = len(listener.joints)
            listener.spin_until(lambda: len(listener.joints) > start + 50, 'the gusts to begin again')
    finally:
        interrupt(process)
        finished(process)
    log = read_log(tmp_path / 'reset.csv')
    begins = first_after_reset(log)
    assert (log['gust_left'][begins : begins + 45] == gusts[:45]).all()


def test_brakes_hold_until_the_first_command_and_the_gusts_begin_with_it(domain, tmp_path):
    process = simulate('--seed', 7, '--hold', '--log', tmp_path / 'held.csv')
    finished(simulate('--seed', 7, '--rate', 10, '--duration', 1, '--log', tmp_path / 'free.csv'))
    try:
        with listening() as listener:
            start = len(listener.joints)
            listener.spin_until(lambda: len(listener.joints) > start + 30, 'joint states of carts that are held')
            assert all(list(message.position) == START and not any(message.velocity) for message in listener.joints)
            before, clock = listener.joints[-1].header.stamp, len(listener.clocks)
            listener.command('middle', 0.0)
            moved = listener.hear(lambda message: message.position[0] < 0.25, 'the carts to move')
            assert (moved.header.stamp.sec, moved.header.stamp.nanosec) > (before.sec, before.nanosec)
            assert len(listener.clocks) > clock
    finally:
        interrupt(process)
        finished(process)
    held, free = read_log(tmp_path / 'held.csv'), read_log(tmp_path / 'free.csv')
    assert held['since_reset'][0] == pytest.approx(0.01) and held['time'][0] > 0.3
    for name in ('position_left', 'velocity_right', 'gust_middle'):
        assert (held[name][:30] == free[name][:30]).all(), name


@pytest.mark.parametrize(
    'arguments',
    [
        ('--rate', '0'),
        ('--rate', 'nan'),
        ('--seed', '-1'),
        ('--gusts', 'inf'),
        ('--log', '/nowhere/log.csv'),
        ('--render', '/nowhere/strip.png'),
    ],
)
def test_options_that_cannot_be_are_refused(arguments):
    process = simulate(*arguments)
    output, _ = process.communicate(timeout=60.0)
    assert process.returncode == 2 and 'mujoco_carts: ' in output


def test_the_simulator_knows_nothing_of_the_package():
    for path in SIMULATOR.glob('*.py'):
        code = [line for line in path.read_text(encoding='utf-8').splitlines() if not line.startswith('#')]
        assert not [line for line in code if 'dmpcrl' in line], path
