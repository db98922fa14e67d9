# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Node between the agents and a robot, or a simulator with the topics of a robot.

See control_loop for its topics and services towards the agents.

Also subscribes to and publishes the topics of standard messages that the mapping declares (transport.bridging). All of
them can be remapped, and relative ones lie in the namespace of the node.
Parameters: the common settings, those of the system (settings.run), and those of settings.nodes.BridgeSettings.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.qos import qos_profile_sensor_data, qos_profile_system_default

from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.nodes.common import run_node
from dmpcrl_ros.nodes.control_loop import ControlLoopNode
from dmpcrl_ros.settings.nodes import BridgeSettings
from dmpcrl_ros.simulation.episodes import PlantStep
from dmpcrl_ros.systems.mpc_system import MpcSystem
from dmpcrl_ros.transport.bridge_file import MappingError, load_mapping
from dmpcrl_ros.transport.bridge_messages import type_name
from dmpcrl_ros.transport.bridging import Mapping
from dmpcrl_ros.transport.measurements import Topic
from dmpcrl_ros.transport.qos import OVERRIDABLE

_LAST_COMMANDS = Duration(seconds=0.2)  # longest wait for their delivery, on each topic


class RobotInterface:
    """A robot behind standard topics. It does not wait: a command acts until the next one.

    Args:
        node: on which the topics are made, with the setting sensor_timeout among its options.
        network: description of the robot.
        mapping: between topics and network.
        speed: seconds of the robot per second of the clock.
    """

    def __init__(self, node: ControlLoopNode[BridgeSettings], network: MpcSystem, mapping: Mapping, speed: float = 1.0):
        self._node, self._network, self._mapping, self._speed = node, network, mapping, speed
        self._clock = node.get_clock()
        self._publishers = {
            topic: node.create_publisher(
                kind, topic.declared, qos_profile_system_default, qos_overriding_options=OVERRIDABLE
            )
            for topic, kind in mapping.publications
        }
        self._subscriptions = [
            node.create_subscription(
                kind, topic.declared, self._taker(topic), qos_profile_sensor_data, qos_overriding_options=OVERRIDABLE
            )
            for topic, kind in mapping.subscriptions
        ]
        self._commanded = time.monotonic()
        self.reset()

    def reset(self) -> None:
        """Count steps from zero; the robot stays where it is."""
        self._step = self._episode = 0
        self._interrupted = False  # since the last step, by safe commands or skipped ticks
        self._seen: np.ndarray | None = None  # stacked state of the present step
        self._before: np.ndarray | None = None  # of the former step, if inputs were applied in it

    def stale_measurements(self) -> str:
        """Names of the measurements that are too old, and messages dropped so far."""
        dropped = ', '.join(f'{count} {reason}' for reason, count in self._mapping.dropped.items())
        stale = ', '.join(self._mapping.stale(time.monotonic(), self._node.options.sensor_timeout))
        return stale + (f'; messages dropped so far: {dropped}' if dropped else '')

    def observe(self) -> PlantStep | None:
        """Present step.

        A new episode begins after safe commands, because of missing measurements or a pause, and after skipped ticks:
        agents do not learn from transitions across them.
        """
        states = self._mapping.states(time.monotonic(), self._node.options.sensor_timeout)
        if states is None:
            return None
        self._episode += self._interrupted and self._step > 0
        self._interrupted = False
        self._seen = np.concatenate(states)
        costs, applied = np.zeros(self._network.n_agents), [np.zeros(0)] * self._network.n_agents
        if self._before is not None:
            applied = self._mapping.applied()
            costs = self._network.stage_costs(
                self._before, np.concatenate(applied), self._network.exogenous_at(self._step - 1)
            )
        return PlantStep(
            self._step,
            self._episode,
            states,
            self._network.exogenous_at(self._step),
            costs,
            applied,
            self._mapping.measured_at(),
        )

    def apply(self, actions: list[np.ndarray]) -> None:
        """Command the inputs of all agents."""
        now = time.monotonic()
        self._send(self._mapping.commands(actions, self._speed * (now - self._commanded), self._ros_time()))
        self._commanded, self._step, self._before = now, self._step + 1, self._seen

    def skip(self) -> None:
        """Begin a new episode: agents must not learn from a transition of several periods."""
        self._interrupted = True

    def make_safe(self) -> None:
        """Command the safe values at once."""
        self._send(self._mapping.safe_commands(self._ros_time()))
        self._commanded, self._interrupted = time.monotonic(), True

    def unmatched_topics(self) -> list[str]:
        """Topics of commands without a subscriber and of measurements without a publisher.

        The driver is not running yet, a remapping is wrong, or the types differ.
        """
        return [
            *(
                f'a subscriber of {publisher.topic_name} ({type_name(publisher.msg_type)})'
                for publisher in self._publishers.values()
                if not publisher.get_subscription_count()
            ),
            *(
                f'a publisher of {subscription.topic_name} ({type_name(subscription.msg_type)})'
                for subscription in self._subscriptions
                if not subscription.get_publisher_count()
            ),
        ]

    def flush(self) -> None:
        """Wait briefly until the last commands have arrived, on reliable topics."""
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(_LAST_COMMANDS)

    def _send(self, messages: list[tuple[Topic, Any]]) -> None:
        for topic, message in messages:
            self._publishers[topic].publish(message)

    def _taker(self, topic: Topic) -> Callable[[Any], None]:
        return lambda message: self._mapping.take(topic, message, time.monotonic(), self._ros_time())

    def _ros_time(self) -> int:
        return self._clock.now().nanoseconds


class BridgeNode(ControlLoopNode[BridgeSettings]):
    """Closes the loop of a robot."""

    _interface: RobotInterface

    def __init__(self) -> None:
        super().__init__('bridge', BridgeSettings)

    def make_interface(self) -> RobotInterface:
        """Make the interface to the robot.

        Raises:
            SettingError: the mapping cannot be read or does not fit the system.
        """
        if not self.options.real_time:
            raise SettingError('real_time must be true: a robot does not wait')
        if not isinstance(self.system, MpcSystem):
            raise SettingError(f'{self.system.name} does not define the stage costs that a bridge needs')
        try:
            mapping = load_mapping(self.options.mapping, self.system, self.resolve_topic_name)
        except MappingError as error:
            raise SettingError(str(error)) from None
        return RobotInterface(self, self.system, mapping, self.options.speed)

    def halt(self) -> None:
        """Leave the robot safe, also if the node ends now."""
        super().halt()
        self._interface.flush()

    def missing(self) -> list[str]:
        """Names of missing nodes and of unconnected topics of the robot."""
        return [*super().missing(), *(self._interface.unmatched_topics() if self.active else [])]

    def stale_measurements(self) -> str:
        """Names of the measurements that are too old."""
        return self._interface.stale_measurements()


def main() -> int:
    """Run the executable dmpcrl_bridge."""
    return run_node(BridgeNode, 'dmpcrl_bridge')


if __name__ == '__main__':
    sys.exit(main())
