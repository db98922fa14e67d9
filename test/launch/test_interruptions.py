# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Launches of a robot that are interrupted at swept moments, the start included, by Ctrl-C or the end of the terminal:
the robot is left safe each time.

DMPCRL_INTERRUPTIONS=100 sweeps so many moments; few are enough for every day.
"""

import os
import re
import signal

import pytest
import yaml
from ros_system import leftovers

pytest.importorskip('rclpy')

from ament_index_python.packages import get_package_share_path  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray  # noqa: E402

COUNT = int(os.environ.get('DMPCRL_INTERRUPTIONS', 6))
START, RUNNING = 4.0, 1.0  # s: spans that are swept, from the first word of launch and from the first action
CARTS = ('left', 'middle', 'right')
SAFE = 0.25  # N; no agent would choose it


@pytest.fixture
def commands(outsider):
    """All commands so far, by carts that stand still and tell so."""
    heard = {cart: [] for cart in CARTS}
    joints = outsider.create_publisher(JointState, '/joint_states', 10)
    measured = JointState(name=CARTS, position=[0.3, 0.1, 0.2], velocity=[0.0] * 3)
    outsider.create_timer(0.02, lambda: joints.publish(measured))
    for cart, kept in heard.items():
        outsider.create_subscription(
            Float64MultiArray, f'/{cart}_effort_controller/commands', lambda m, kept=kept: kept.append(m.data[0]), 100
        )
    return heard


@pytest.fixture
def mapping(tmp_path):
    """The mapping of the carts, with another safe value."""
    declared = yaml.safe_load((get_package_share_path('dmpcrl_ros') / 'config/mujoco_carts_bridge.yaml').read_text())
    for agent in declared['agents']:
        agent['input'][0]['safe'] = SAFE
    path = tmp_path / 'bridge.yaml'
    path.write_text(yaml.safe_dump(declared))
    return path


@pytest.mark.timeout(60 + 60 * COUNT)
def test_an_interrupted_robot_is_left_safe(tools, outsider, commands, mapping):
    for number in range(COUNT):
        share, running, hangup = (number // 2) / ((COUNT + 1) // 2), number % 2, number % 3 == 2
        for kept in commands.values():
            kept.clear()
        launch = tools.launch('robot.launch.py', f'bridge:={mapping}', 'agents_per_process:=3', 'steps:=1000000')
        launch.wait_for('All log files')
        if running:
            outsider.spin_until(lambda: all(set(kept) - {SAFE} for kept in commands.values()))
        outsider.spin_for(share * (RUNNING if running else START))
        launch.signal_all(signal.SIGHUP if hangup else signal.SIGINT)
        outsider.spin_until(lambda: not leftovers())
        outsider.spin_for(0.5)  # for what is on the way
        code, text = launch.end()
        print(f'{number}: {code}, {commands}\n{text}')
        assert not re.search(r'Traceback|FATAL', text)
        died = set(re.findall(r'has died \[pid \d+, exit code (-?\d+)', text))
        assert died <= (set() if running else {'-9', '-15'})  # launch ends what has not started after 5 s or 10 s
        assert code == (-signal.SIGHUP if hangup else 0)  # ros2 launch does not handle it
        assert all(not kept or kept[-1] == SAFE for kept in commands.values())
