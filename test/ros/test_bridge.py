# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The bridge between agents and a robot: one of standard messages alone, made here, and the simulated carts."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from ros_system import PATIENCE, Deployed, dmpcrl, interrupt, leftovers, wait_for

pytest.importorskip('rclpy')

from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402
from dmpcrl_ros.nodes.bridge import RobotInterface  # noqa: E402
from dmpcrl_ros.systems.files import load_system  # noqa: E402
from dmpcrl_ros.transport.bridge_file import load_mapping  # noqa: E402
from dmpcrl_ros.transport.qos import LATCHED  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / 'config' / 'mujoco_carts.yaml'
CARTS = ('left', 'middle', 'right')
PERIOD, SENSOR_TIMEOUT, HOLD = 0.1, 0.3, 3
SAFE, LIMIT, RATE = 0.25, 1.5, 4.0  # N, N, N/s; the agents' own bound is 2 N, their safe input 0 N
SLACK = 0.1  # s for what is on its way


class Robot:
    """Carts that stay where they are put and keep the commands they get."""

    def __init__(self, node):
        self.positions, self.velocities = [0.3, 0.1, 0.2], [0.01, 0.02, 0.03]
        self.silent = False
        self.commands, self._node = {}, node
        self._joints = node.create_publisher(JointState, '/joint_states', 10)
        node.create_timer(0.02, self._tell)
        self.states = {cart: node.subscribe(msg.State, f'/{cart}/state') for cart in CARTS}

    def listen(self, *carts):
        for cart in carts:
            self.commands[cart] = self._node.subscribe(
                Float64MultiArray, f'/{cart}_effort_controller/commands', 1000, lambda message: message.data[0]
            )

    def _tell(self):
        if not self.silent:
            self._joints.publish(JointState(name=CARTS, position=self.positions, velocity=self.velocities))

    def step(self):
        return self.states['middle'].last.step

    def wait_steps(self, count):
        first = self.step()
        self._node.spin_until(lambda: self.step() >= first + count)

    def newest(self):
        return [self.commands[cart].last for cart in CARTS]

    def wait_safe(self):
        self._node.spin_until(lambda: self.newest() == [SAFE] * 3)

    def wait_driven(self):
        self._node.spin_until(lambda: self.newest() != [SAFE] * 3)

    def wait_driven_after(self, before):
        """The first state after the one in which the robot was interrupted, which may be repeated, begins an episode;
        later ones may begin others, on a busy machine."""
        states = self.states['left']
        self._node.spin_until(lambda: states.last.step > before.step + 3)
        self.wait_driven()
        after = next(state for state in states if (state.episode, state.step) > (before.episode, before.step))
        assert after.episode == before.episode + 1


@pytest.fixture
def robot(outsider):
    return Robot(outsider)


def settings_of(mapping):
    return Deployed(
        system=str(SCENARIO),
        bridge=str(mapping),
        steps=100000,
        coordination='admm',
        admm__iterations=5,
        seed=5,
        learning__exploration=False,
        hold_steps=HOLD,
        sensor_timeout=SENSOR_TIMEOUT,
        round_timeout=0.2,
    )


@pytest.fixture
def mapping(tmp_path):
    """The mapping of the carts with other limits."""
    declared = yaml.safe_load((ROOT / 'config' / 'mujoco_carts_bridge.yaml').read_text())
    for agent in declared['agents']:
        agent['input'][0] |= {'saturation': [-LIMIT, LIMIT], 'rate_limit': RATE, 'safe': SAFE}
    path = tmp_path / 'bridge.yaml'
    path.write_text(yaml.safe_dump(declared))
    return path


@pytest.fixture
def system(mapping, robot):
    """Bridge and agents, running."""
    robot.listen(*CARTS)
    with ProcessGroup(settings_of(mapping).nodes()) as processes:
        robot.wait_steps(3)
        yield processes


def end_bridge(system, outsider, *numbers):
    """Send these signals to the bridge; returns when all that it has sent until its end is here."""
    for number in numbers:
        os.kill(system.pids()['bridge'], number)
    outsider.spin_until(lambda: system.wait(0.0)['bridge'] is not None)
    outsider.spin_for(3 * SLACK)


def test_states_reach_the_agents_and_commands_the_robot_within_its_limits(system, robot, outsider):
    robot.newest()
    first = robot.step() + 1  # the commands are heard by then
    for cart, position, velocity in zip(CARTS, robot.positions, robot.velocities, strict=True):
        assert list(robot.states[cart].last.state) == [position, velocity]
    robot.positions = [-0.3, -0.3, -0.3]  # far out of the bounds: all force there is
    outsider.spin_until(lambda: robot.newest() == [LIMIT] * 3)
    assert all(robot.states[cart].last.state[0] == -0.3 for cart in CARTS)
    robot.positions = [0.7, 0.7, 0.7]
    outsider.spin_until(lambda: max(robot.newest()) < 0.0)
    states = {cart: [state for state in robot.states[cart] if state.step > first] for cart in CARTS}
    outsider.spin_for(SLACK)
    for cart in CARTS:
        assert {state.applied[0] for state in states[cart]} <= set(robot.commands[cart])  # agents receive what was sent
        assert np.abs(robot.commands[cart]).max() == LIMIT
        changes = [
            abs(after.applied[0] - before.applied[0])
            for before, after in pairwise(states[cart])
            if (after.episode, after.step) == (before.episode, before.step + 1)
        ]
        assert max(changes) <= 2 * PERIOD * RATE + 1e-9  # inputs of one episode are less than two periods apart


def test_how_old_a_measurement_may_be_can_be_changed_while_the_robot_moves(system, robot, outsider):
    assert outsider.set_value('/bridge', 'sensor_timeout', 3600.0).successful
    robot.silent = True
    robot.wait_steps(int(3 * SENSOR_TIMEOUT / PERIOD))
    assert outsider.set_value('/bridge', 'sensor_timeout', SENSOR_TIMEOUT).successful
    outsider.spin_until(lambda: robot.newest() == [SAFE] * 3)


def test_silent_sensors_make_the_robot_safe_until_they_return(system, robot, outsider):
    outsider.spin_for(0.0)
    robot.silent, sent = True, len(robot.commands['left'])
    outsider.spin_until(lambda: set(robot.commands['left'][-8:]) == {SAFE} and robot.newest() == [SAFE] * 3)
    driven = [value for value in robot.commands['left'][sent:] if value != SAFE]
    assert len(driven) <= 8  # for the 3 periods of SENSOR_TIMEOUT, and some that were on their way
    outsider.spin_for(2 * PERIOD + SLACK)
    before, sent = robot.states['left'].last, len(robot.commands['left'])
    outsider.spin_until(lambda: len(robot.commands['left']) > sent + 5)
    assert robot.states['left'].last == before and set(robot.commands['left'][sent:]) == {SAFE}
    robot.silent = False
    robot.wait_driven_after(before)


def test_a_pause_makes_the_robot_safe_even_if_it_is_asked_for_in_the_midst_of_a_step(system, robot, outsider):
    for _ in range(4):
        assert outsider.ask('/bridge/pause').success
        robot.wait_safe()
        outsider.spin_for(2 * PERIOD + SLACK)
        assert robot.newest() == [SAFE] * 3
        before = robot.states['left'].last
        assert outsider.ask('/bridge/resume').success
        robot.wait_driven_after(before)
    outsider.ask('/bridge/pause')
    robot.wait_safe()
    outsider.spin_for(2 * PERIOD + SLACK)
    sent = len(robot.commands['left'])

    def driven():
        return [value for value in robot.commands['left'][sent:] if value != SAFE]

    outsider.ask('/bridge/step')
    outsider.spin_until(driven)
    robot.wait_safe()
    outsider.spin_for(4 * PERIOD)
    assert len(driven()) == 1 and robot.newest() == [SAFE] * 3


def test_the_input_of_an_agent_that_is_killed_is_held_and_then_its_safe_one_until_ctrl_c(system, robot, outsider):
    outsider.spin_for(0.0)
    os.kill(system.pids()['middle'], signal.SIGKILL)
    first = len(robot.commands['middle'])
    outsider.spin_until(lambda: set(robot.commands['middle'][-8:]) == {0.0})
    held = [value for value in robot.commands['middle'][first:] if value not in (0.0, SAFE)]
    assert len(held) <= HOLD + 6  # a step that was decided before, and 2 N at most by 0.4 N a step
    end_bridge(system, outsider, signal.SIGINT)
    assert robot.newest() == [SAFE] * 3


@pytest.mark.parametrize(
    'numbers',
    [[signal.SIGINT], [signal.SIGTERM], [signal.SIGHUP], [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT]],
    ids=['Ctrl-C', 'TERM', 'the end of the terminal', 'several at once'],
)
def test_every_ending_signal_leaves_the_robot_safe(system, robot, outsider, numbers):
    robot.wait_driven()
    end_bridge(system, outsider, *numbers)
    assert robot.newest() == [SAFE] * 3


def test_deactivation_makes_the_robot_safe_and_activation_begins_another_episode(system, robot, outsider):
    def change(transition):
        assert outsider.ask('/bridge/change_state', ChangeState, transition=Transition(id=transition)).success

    change(Transition.TRANSITION_DEACTIVATE)
    robot.wait_safe()
    outsider.spin_for(3 * PERIOD)
    before = robot.states['left'].last
    outsider.spin_for(3 * PERIOD)
    assert robot.newest() == [SAFE] * 3 and robot.states['left'].last == before
    change(Transition.TRANSITION_ACTIVATE)
    robot.wait_driven_after(before)


def test_a_run_begins_when_all_actuators_listen(mapping, robot, outsider):
    robot.listen('left', 'right')
    present = [outsider.subscribe(msg.Presence, f'{cart}/presence', LATCHED) for cart in CARTS]
    with ProcessGroup(settings_of(mapping).nodes()):
        outsider.spin_until(lambda: all(heard.last.ready for heard in present))
        outsider.spin_for(1.0)
        assert not robot.states['left'] and not robot.commands['left']
        robot.listen('middle')
        robot.wait_steps(3)


@pytest.mark.parametrize('speed', [1.0, 5.0])
def test_the_rate_limit_is_in_time_of_the_robot(mapping, robot, outsider, speed):
    """0.1 s of the clock or more after SAFE, 2 N wanted, where speed * RATE * this time may be added up to LIMIT."""
    network = load_system(SCENARIO)
    declared = load_mapping(mapping, network, outsider.resolve_topic_name)
    body = RobotInterface(outsider, network, declared, speed)
    robot.listen(*CARTS)
    outsider.spin_until(lambda: not body.unmatched_topics())
    begun = time.monotonic()
    body.make_safe()
    safe = time.monotonic()
    time.sleep(0.1)
    shortest = time.monotonic() - safe
    body.apply([np.array([2.0])] * 3)
    longest = time.monotonic() - begun
    outsider.spin_until(lambda: SAFE not in robot.newest())
    least, most = (min(SAFE + speed * RATE * seconds, LIMIT) for seconds in (shortest, longest))
    assert all(least <= value <= most for value in robot.newest())


def test_a_wrong_mapping_is_refused_at_the_start_by_name(domain, tmp_path, mapping):
    mapping.write_text(mapping.read_text().replace('joint: middle', 'hinge: middle'))
    done = dmpcrl('run', SCENARIO, '--bridge', mapping, '--steps', 5, '--output', tmp_path / 'run')
    assert done.returncode == 1 and str(mapping) in done.stdout + done.stderr
    assert 'agent middle: state' in done.stdout + done.stderr and "'joint' is a required" in done.stdout + done.stderr


physics = pytest.mark.skipif(not find_spec('mujoco'), reason='MuJoCo is not installed')


def demonstrate(*arguments):
    return subprocess.Popen(
        [sys.executable, '-P', ROOT / 'simulators' / 'demonstration', *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def kept_time(report):
    """Whether a trial was not held up by a busy machine, which spoils more than so little learning gains."""
    text = ' '.join(report.split())
    met, skipped = re.search(r'real time: ([\d.]+) % of \d+ deadlines met, (\d+) ticks skipped', text).groups()
    void, steps = map(int, re.search(r'void steps: (\d+) of (\d+)', text).groups())
    return float(met) >= 90.0 and int(skipped) <= 2 and void <= 0.25 * steps and 'no measurement' not in text


@physics
@pytest.mark.timeout(400)
def test_learning_in_real_time_lowers_the_cost_on_gusts_not_learned_from(domain, tmp_path):
    process = demonstrate('--steps', 30, '--training-steps', 80, '--output', tmp_path / 'demonstration')
    try:
        output, _ = process.communicate(timeout=6 * PATIENCE)
    finally:
        process.kill()
    with (tmp_path / 'demonstration' / 'table.csv').open() as file:
        (row,) = csv.DictReader(file)
    lowered = float(row['cost learned']) < float(row['cost untrained'])
    assert process.returncode == (0 if lowered else 1), output
    reports = [file.read_text() for file in (tmp_path / 'demonstration').glob('*/dmpcrl.txt')]
    print(*reports, sep='\n')
    assert len(reports) == 3 and (lowered or not all([kept_time(report) for report in reports])), output
    assert max(float(row[f'largest command {when} [N]']) for when in ('untrained', 'learned')) <= 2.0
    assert 0.0 < float(row['deadlines met learned']) <= 1.0
    for name in ('costs.png', 'film_strip.png'):
        assert (tmp_path / 'demonstration' / name).read_bytes().startswith(b'\x89PNG')


@physics
@pytest.mark.timeout(240)
def test_ctrl_c_ends_a_demonstration_with_all_its_processes(domain, tmp_path):
    process = demonstrate('--output', tmp_path / 'demonstration')
    steps = tmp_path / 'demonstration' / 'untrained-gusts-401' / 'run' / 'steps.csv'
    wait_for(lambda: steps.exists() and steps.read_text().count('\n') > 3, 2 * PATIENCE, 'the first steps')
    interrupt(process)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and 'interrupted' in output, output
    assert not leftovers()
