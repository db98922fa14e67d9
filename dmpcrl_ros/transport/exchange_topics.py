# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Exchanges of one agent over topics, one for each directed edge."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from rclpy.node import Node

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.mailbox import Envelope
from dmpcrl_ros.topics import exchange_topic
from dmpcrl_ros.transport.conversions import MessageError, exchange_from_msg, exchange_to_msg
from dmpcrl_ros.transport.qos import EXCHANGE, OVERRIDABLE

_GREETING_PERIOD = 0.05  # s between two greetings of a neighbour that has not answered


class ExchangeTopics:
    """Publishes and receives the Exchange messages of one agent.

    Args:
        node: on which the topics are made.
        agent: index of this agent.
        names: of its neighbours and itself, by index.
        neighbours: indices of the agents in other processes that it exchanges with.
        deliver: called with each envelope that arrives.
        dropped: counter of dropped messages, by reason.
    """

    def __init__(
        self,
        node: Node,
        *,
        agent: int,
        names: Mapping[int, str],
        neighbours: Iterable[int],
        deliver: Callable[[Envelope], None],
        dropped: Counter[str],
    ):
        self._agent, self._names = agent, names
        self._deliver, self._dropped = deliver, dropped
        self._unmatched, self._next_greeting = set(neighbours), 0.0
        self._publishers = {
            j: node.create_publisher(
                msg.Exchange, exchange_topic(names[agent], names[j]), EXCHANGE, qos_overriding_options=OVERRIDABLE
            )
            for j in neighbours
        }
        self._subscriptions = [
            node.create_subscription(
                msg.Exchange,
                exchange_topic(names[j], names[agent]),
                self._receiver(j),
                EXCHANGE,
                qos_overriding_options=OVERRIDABLE,
            )
            for j in neighbours
        ]

    def send(self, receiver: int, envelope: Envelope) -> None:
        """Publish an envelope to a neighbour."""
        self._publishers[receiver].publish(exchange_to_msg(envelope))

    def unmatched(self) -> list[str]:
        """Names of the neighbours without a connection in both directions, to which greetings are sent."""
        if (now := time.monotonic()) >= self._next_greeting:
            self._next_greeting = now + _GREETING_PERIOD
            for neighbour in self._unmatched:
                self._send_frame(neighbour, msg.Exchange.GREETING)
        return [self._names[j] for j in sorted(self._unmatched)]

    def _send_frame(self, neighbour: int, frame: str) -> None:
        self.send(neighbour, Envelope(0, 0, 0, self._agent, frame, np.zeros((0, 1))))

    def _receiver(self, sender: int) -> Callable[[msg.Exchange], None]:
        def receive(message: msg.Exchange) -> None:
            try:
                envelope = exchange_from_msg(message, sender)
            except MessageError as reason:
                self._dropped[str(reason)] += 1
                return
            if envelope.kind == msg.Exchange.GREETING:
                self._send_frame(sender, msg.Exchange.ANSWER_TO_GREETING)
            elif envelope.kind == msg.Exchange.ANSWER_TO_GREETING:
                self._unmatched.discard(sender)  # an answer proves a connection in both directions
            else:
                self._deliver(envelope)

        return receive
