# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Topics between the node that closes the loop and the agents."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

import dmpcrl_ros.msg as msg
from dmpcrl_ros.simulation.episodes import PlantStep
from dmpcrl_ros.systems.system import System
from dmpcrl_ros.topics import agent_topic
from dmpcrl_ros.transport.conversions import MessageError, action_from_msg, state_to_msg
from dmpcrl_ros.transport.qos import LATCHED, OVERRIDABLE, STREAM


class LoopTopics:
    """Publishes the states of all agents and receives their actions.

    Attributes:
        actions: of the present step (n_u,), agent after agent; None where none has arrived.

    Args:
        node: on which the topics are made.
        system: with the agents.
    """

    def __init__(self, node: Node, system: System):
        self._logger, self._system = node.get_logger(), system
        self._states = [
            node.create_publisher(msg.State, agent_topic(name, 'state'), LATCHED, qos_overriding_options=OVERRIDABLE)
            for name in system.names
        ]
        for i, name in enumerate(system.names):
            node.create_subscription(
                msg.Action, agent_topic(name, 'action'), self._receiver(i), STREAM, qos_overriding_options=OVERRIDABLE
            )
        self.expect(None)

    def expect(self, place: tuple[int, int] | None) -> None:
        """Discard the actions received so far and expect those of another step.

        Args:
            place: run and step; None to accept no action.
        """
        self._place = place
        self.actions: list[np.ndarray | None] = [None] * self._system.n_agents

    def silent(self) -> list[str]:
        """Names of the agents whose actions of the expected step are missing."""
        if self._place is None:
            return []
        return [name for name, action in zip(self._system.names, self.actions, strict=True) if action is None]

    def without_subscribers(self, expected: int) -> set[str]:
        """Names of the agents whose states have fewer subscribers than expected."""
        return {
            name
            for name, state in zip(self._system.names, self._states, strict=True)
            if state.get_subscription_count() < expected
        }

    def publish(self, seen: PlantStep, *, run: int, stamps: Sequence[int], skipped: int, only_silent: bool) -> None:
        """Publish the states of a step.

        Args:
            seen: the step.
            run: number of the run.
            stamps: time of measurement for each agent [ns].
            skipped: ticks skipped in this run.
            only_silent: whether only agents whose action is missing get their state.
        """
        for agent, publisher in enumerate(self._states):
            if not only_silent or self.actions[agent] is None:
                header = Header(stamp=Time(nanoseconds=stamps[agent]).to_msg(), frame_id=self._system.names[agent])
                publisher.publish(
                    state_to_msg(header=header, run=run, skipped=skipped, agent=agent, observation=seen.of(agent))
                )

    def await_delivery(self, timeout: float) -> bool:
        """Wait until every subscriber has received the states that were published.

        The next states replace them: a subscriber that lacks one then, such as a monitor without processor time, has
        lost it.

        Args:
            timeout: longest wait [s].

        Returns:
            Whether every subscriber has received them.
        """
        deadline = time.monotonic() + timeout
        return all(
            publisher.wait_for_all_acked(Duration(seconds=max(deadline - time.monotonic(), 0.0)))
            for publisher in self._states
        )

    def _receiver(self, agent: int) -> Callable[[msg.Action], None]:
        def receive(message: msg.Action) -> None:
            if (message.run, message.step) != self._place:
                return
            try:
                self.actions[agent] = action_from_msg(message, agent, self._system.agents[agent])
            except MessageError as reason:
                self._logger.warning(f'action of {self._system.names[agent]} dropped: {reason}')

        return receive
