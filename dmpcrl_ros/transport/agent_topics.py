# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Topics of one agent, except those to its neighbours."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rclpy.node import Node
from std_msgs.msg import Header

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.agent import Agent, AgentSpec, Observation, StepReport
from dmpcrl_ros.core.events import Acted
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.topics import agent_topic
from dmpcrl_ros.transport.conversions import (
    MessageError,
    StepStatistics,
    action_to_msg,
    observation_from_msg,
    parameters_to_msg,
    status_to_msg,
)
from dmpcrl_ros.transport.qos import LATCHED, OVERRIDABLE, STREAM


@dataclass(frozen=True)
class ReceivedState:
    """State with which a step begins.

    Args:
        run: number of the run.
        header: of the message, which the answers repeat.
        observation: of the step.
        received: time of arrival on the monotonic clock [s].
    """

    run: int
    header: Header
    observation: Observation
    received: float

    @property
    def place(self) -> tuple[int, int]:
        """Run and step."""
        return self.run, self.observation.step


class AgentTopics:
    """Receives the states of one agent and publishes its actions, status and parameters.

    Attributes:
        received: time on the monotonic clock at which the last state arrived [s].

    Args:
        node: on which the topics are made.
        index: of the agent.
        spec: description of the agent.
        metrics: of its method.
        dropped: counter of dropped messages, by reason.
    """

    def __init__(self, node: Node, *, index: int, spec: AgentSpec, metrics: Sequence[Metric], dropped: Counter[str]):
        self.received = time.monotonic()
        self._node, self._index, self._spec, self._metrics, self._dropped = node, index, spec, metrics, dropped
        self._actions, self._status, self._parameters = (
            node.create_publisher(kind, agent_topic(spec.name, topic), qos, qos_overriding_options=OVERRIDABLE)
            for kind, topic, qos in (
                (msg.Action, 'action', STREAM),
                (msg.Status, 'status', STREAM),
                (msg.Parameters, 'parameters', LATCHED),
            )
        )

    def has_plant(self) -> bool:
        """Whether a plant subscribes to the actions."""
        return bool(self._actions.get_subscription_count())

    def subscribe(self, deliver: Callable[[ReceivedState], None]) -> None:
        """Receive states from now on.

        Args:
            deliver: called with each valid state.
        """

        def receive(message: msg.State) -> None:
            self.received = time.monotonic()
            try:
                observation = observation_from_msg(message, self._index, self._spec)
            except MessageError as reason:
                self._dropped[str(reason)] += 1
                self._node.get_logger().warning(
                    f'state of step {message.step} dropped: {reason}', throttle_duration_sec=1.0
                )
                return
            deliver(ReceivedState(message.run, message.header, observation, self.received))

        self._node.create_subscription(
            msg.State, agent_topic(self._spec.name, 'state'), receive, STREAM, qos_overriding_options=OVERRIDABLE
        )

    def answer(self, state: ReceivedState, act: Acted) -> msg.Action:
        """Publish the action of a step, and return its message."""
        message = action_to_msg(
            header=state.header,
            run=state.run,
            step=state.observation.step,
            agent=self._index,
            action=act.action,
            fallback=act.fallback,
        )
        self.repeat(message)
        return message

    def repeat(self, message: msg.Action) -> None:
        """Publish an action again, in case the first message was lost."""
        self._actions.publish(message)

    def report(self, state: ReceivedState, report: StepReport, statistics: StepStatistics) -> None:
        """Publish the status of a step that has ended.

        Args:
            state: with which it began.
            report: of the agent.
            statistics: of the step.
        """
        place = {'header': state.header, 'run': state.run, 'step': state.observation.step, 'agent': self._index}
        self._status.publish(status_to_msg(report, self._metrics, statistics, **place))

    def publish_parameters(self, agent: Agent, state: ReceivedState | None) -> None:
        """Publish the parameters of the agent.

        Args:
            agent: with the parameters.
            state: of the step from which they are valid; None before the first run.
        """
        run, step = state.place if state else (0, 0)
        self._parameters.publish(
            parameters_to_msg(
                agent.theta,
                agent.layout,
                header=state.header if state else Header(frame_id=self._spec.name),
                run=run,
                step=step,
                agent=self._index,
                updates=agent.updates,
            )
        )
