# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Delivery of the states to subscribers that get no processor time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ros_system import PATIENCE, wait_for

pytest.importorskip('rclpy')

from dmpcrl_ros.settings.run import Settings  # noqa: E402
from dmpcrl_ros.simulation.episodes import Episodes  # noqa: E402
from dmpcrl_ros.transport.loop_topics import LoopTopics  # noqa: E402

SUBSCRIBER = """
import rclpy
from dmpcrl_ros import msg
from dmpcrl_ros.transport.qos import STREAM

rclpy.init()
node = rclpy.create_node('subscriber')
node.create_subscription(msg.State, 'agent_2/state', lambda state: None, STREAM)
rclpy.spin(node)
"""


def test_states_are_delivered_only_when_all_subscribers_have_them(outsider):
    system = Settings().make_system()
    topics = LoopTopics(outsider, system)
    seen = Episodes(system, system.plant(1)).observe()

    def delivered(timeout):
        topics.publish(seen, run=1, stamps=[0] * 3, skipped=0, only_silent=False)
        return topics.await_delivery(timeout)

    assert delivered(PATIENCE)  # nobody listens
    with subprocess.Popen([sys.executable, '-P', '-c', SUBSCRIBER]) as subscriber:
        try:
            wait_for(lambda: 'agent_2' not in topics.without_subscribers(1), PATIENCE, 'the subscriber')
            assert delivered(PATIENCE)
            os.kill(subscriber.pid, signal.SIGSTOP)
            wait_for(lambda: ' T ' in Path(f'/proc/{subscriber.pid}/stat').read_text(), PATIENCE, 'it to be frozen')
            assert not delivered(0.2)
            os.kill(subscriber.pid, signal.SIGCONT)
            assert delivered(PATIENCE)
        finally:
            subscriber.kill()
