"""The start of a loop: wait until all needed nodes are ready, and no other plant is running."""

import os
import time
from collections.abc import Sequence

from rclpy.node import Node
from std_msgs.msg import UInt64

from dmpcrl_ros.nodes.common import NodeFailure
from dmpcrl_ros.topics import PLANT_TOPIC, ready_topic
from dmpcrl_ros.transport.qos import HISTORY, LATCHED
from dmpcrl_ros.transport.runs import began_before

_OWN_RUNS: set[int] = set()  # of this process: a node that was configured again may hear itself
_TIME_TO_SPEAK = 3.0  # s; a process that was killed is known to DDS for 20 s more


class StartupBarrier:
    """Waits until all needed nodes are ready, and finds out whether another plant is running: the older one keeps
    running.

    Args:
        node: of the plant.
        names: of the nodes that must be ready.
        launch: number of the system that they belong to.
        run: number of the first run of this plant.
    """

    def __init__(self, node: Node, names: Sequence[str], launch: int, run: int):
        _OWN_RUNS.add(run)
        self._launch, self._run, self._absent, self._elder_heard = launch, run, set(names), False
        self._speak_until = time.monotonic() + _TIME_TO_SPEAK
        for name in names:
            node.create_subscription(UInt64, ready_topic(name), self._ready_receiver(name), HISTORY)
        self._plants = node.create_subscription(UInt64, PLANT_TOPIC, lambda message: self.hear(message.data), HISTORY)
        self._announcement = node.create_publisher(UInt64, PLANT_TOPIC, LATCHED)
        self._announcement.publish(UInt64(data=run))

    def hear(self, run: int) -> None:
        """Take note of another plant, or of agents that belong to one."""
        self._elder_heard |= run not in _OWN_RUNS and began_before(run, self._run)

    def check_alone(self) -> None:
        """Raise NodeFailure if another plant was running before."""
        if self._elder_heard:
            domain = os.environ.get('ROS_DOMAIN_ID') or 0
            raise NodeFailure(
                f'another plant was running before in ROS domain {domain}: '
                'choose another ROS_DOMAIN_ID for this run, or end the other one'
            )

    def missing(self) -> list[str]:
        """Names of the nodes that are not ready yet. Another plant known to DDS gets some time to announce itself: one
        that was killed does not."""
        others = time.monotonic() < self._speak_until and self._plants.get_publisher_count() > 1
        return [*sorted(self._absent), *(['the end of another plant'] if others else [])]

    def _ready_receiver(self, name: str):
        def receive(message: UInt64) -> None:
            if message.data == self._launch:
                self._absent.discard(name)

        return receive
