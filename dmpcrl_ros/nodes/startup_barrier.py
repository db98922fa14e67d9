"""Who is there when a loop is to be closed: all that are needed, and no other plant."""

import os
import time
from collections.abc import Sequence

from rclpy.node import Node
from std_msgs.msg import UInt64

from dmpcrl_ros.nodes.common import NodeFailure
from dmpcrl_ros.transport.qos import HISTORY, LATCHED, PLANT_TOPIC, ready_topic
from dmpcrl_ros.transport.runs import began_before

_OWN_RUNS: set[int] = set()  # of this process: a node that was configured again may hear of itself
_TIME_TO_SPEAK = 3.0  # s; a process that was killed is known to DDS for 20 s more


class StartupBarrier:
    """Hears who is ready, tells other plants of this one, and hears of them: of several the first is to go on alone.

    Args:
        node: of the plant. names: of those who must be ready. launch: to which they belong. run: of this plant, its
        first.
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
        """Another plant is there, or agents that belong to one."""
        self._elder_heard |= run not in _OWN_RUNS and began_before(run, self._run)

    def check_alone(self) -> None:
        """Raise NodeFailure if another plant was there before."""
        if self._elder_heard:
            raise NodeFailure(f'another plant was there before in ROS domain {os.environ.get("ROS_DOMAIN_ID") or 0}: '
                              'choose another ROS_DOMAIN_ID for this run, or end the other one')

    def missing(self) -> list[str]:
        """Who is not ready yet; for a while also another plant, which tells of itself unless it has been killed."""
        others = time.monotonic() < self._speak_until and self._plants.get_publisher_count() > 1
        return [*sorted(self._absent), *(['the end of another plant'] if others else [])]

    def _ready_receiver(self, name: str):
        def receive(message: UInt64) -> None:
            if message.data == self._launch:
                self._absent.discard(name)
        return receive
