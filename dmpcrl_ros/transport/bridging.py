# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Mapping between standard topics and the states and inputs of agents, declared in YAML; without a node.

Every element of an input goes through::

    value in the message = sign * scale * input + offset, then limited in rate, then saturated

measurements.py computes states from messages. bridging.schema.json documents every key.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmpcrl_ros.transport.bridge_messages import command
from dmpcrl_ros.transport.conversions import MessageError
from dmpcrl_ros.transport.measurements import Measurement, StateElement, Topic


@dataclass(frozen=True, kw_only=True)
class Target:
    """Destination of one element of an agent's input; all numbers but `gain` in units of the message.

    Args:
        name: of agent and element, for error messages.
        topic: of the messages.
        kind: class of the messages.
        place: index in the data, or part and axis of a Twist or TwistStamped.
        frame: of the message, if it has a header.
        gain: factor from the input to the value sent.
        offset: of the value sent.
        low: smallest value sent.
        high: largest value sent.
        rate_limit: largest change of the value per second; may be infinite.
        safe: safe value.
    """

    name: str
    topic: Topic
    kind: type
    place: int | tuple[str, str]
    frame: str
    gain: float
    offset: float
    low: float
    high: float
    rate_limit: float
    safe: float

    def command(self, action: float, last: float, period: float) -> float:
        """Value to send for an input, `period` [s] after `last` was sent."""
        wanted, change = self.gain * action + self.offset, self.rate_limit * period
        return min(max(min(max(wanted, last - change), last + change), self.low), self.high)

    def action(self, command: float) -> float:
        """Input that corresponds to a value sent."""
        return (command - self.offset) / self.gain


class Mapping:
    """Elements of the states and targets of all agents, with the last commands sent.

    Before the first command the actuators are assumed to be at their safe values.

    Args:
        elements: of each agent's state, in their order.
        targets: of each agent's input, element by element.
    """

    def __init__(self, elements: Sequence[Sequence[StateElement]], targets: Sequence[Sequence[Target]]):
        self._elements = elements
        self._measurements: dict[Topic, list[Measurement]] = {}
        for agent in elements:
            for element in agent:
                for measurement in element.measurements:
                    self._measurements.setdefault(measurement.source.topic, []).append(measurement)
        self._targets = [target for agent in targets for target in agent]
        self._input_sizes = [len(agent) for agent in targets]
        self._sent = [target.safe for target in self._targets]
        self.dropped: Counter[str] = Counter()

    @property
    def subscriptions(self) -> list[tuple[Topic, type]]:
        """Topics of measurements, each once, with the class of their messages."""
        return [(topic, taken[0].source.kind) for topic, taken in self._measurements.items()]

    @property
    def publications(self) -> list[tuple[Topic, type]]:
        """Topics of commands, each once, with the class of their messages."""
        return list({target.topic: target.kind for target in self._targets}.items())

    def take(self, topic: Topic, message: Any, now: float, received: int) -> None:
        """Keep the measurements of a message.

        Elements that are missing in the message keep their former value and age. The message is then counted in
        `dropped`, once for each reason.

        Args:
            topic: one of `subscriptions`.
            message: received on the topic.
            now: monotonic time [s].
            received: ROS time of its arrival [ns].
        """
        reasons = set()
        for measurement in self._measurements[topic]:
            try:
                measurement.take(message, now, received)
            except MessageError as reason:
                reasons.add(str(reason))
        self.dropped.update(reasons)

    def states(self, now: float, max_age: float) -> list[np.ndarray] | None:
        """State of each agent (n_x,); None while a measurement is missing or older than `max_age` [s]."""
        if self.stale(now, max_age):
            return None
        return [np.array([element.value for element in agent]) for agent in self._elements]

    def measured_at(self) -> list[int]:
        """Time of measurement of each agent's state, that of its oldest element [ns]; 0 without measurements."""
        return [min((element.stamp for element in agent), default=0) for agent in self._elements]

    def stale(self, now: float, max_age: float) -> list[str]:
        """Names and topics of the measurements that are missing, or older than `max_age` [s]."""
        return [
            f'{measurement.source.name} ({measurement.source.topic})'
            for agent in self._elements
            for element in agent
            for measurement in element.measurements
            if not measurement.is_fresh(now, max_age)
        ]

    def commands(self, actions: Sequence[np.ndarray], period: float, stamp: int) -> list[tuple[Topic, Any]]:
        """One message for each topic.

        Args:
            actions: inputs (n_u,) of all agents.
            period: since the last commands [s].
            stamp: ROS time of sending [ns].

        Raises:
            ValueError: an input has the wrong size or is not finite, or the period is negative; nothing has changed.
        """
        sizes = [np.shape(action) for action in actions]
        if sizes != [(size,) for size in self._input_sizes]:
            raise ValueError(f'inputs have the sizes {sizes}, expected {self._input_sizes}')
        flat = [float(value) for action in actions for value in action]
        for value, target in zip(flat, self._targets, strict=True):
            if not math.isfinite(value):
                raise ValueError(f'{target.name} is {value}')
        if not 0.0 <= period < math.inf:
            raise ValueError(f'the period must not be negative or infinite, but is {period} s')
        self._sent = [
            target.command(value, last, period)
            for target, value, last in zip(self._targets, flat, self._sent, strict=True)
        ]
        return self._messages(stamp)

    def safe_commands(self, stamp: int) -> list[tuple[Topic, Any]]:
        """One message for each topic with the safe values, at once; `stamp` is the ROS time of sending [ns]."""
        self._sent = [target.safe for target in self._targets]
        return self._messages(stamp)

    def applied(self) -> list[np.ndarray]:
        """Inputs (n_u,) that correspond to the last commands, after all limits."""
        flat = np.array([target.action(sent) for target, sent in zip(self._targets, self._sent, strict=True)])
        return np.split(flat, np.cumsum(self._input_sizes)[:-1])

    def _messages(self, stamp: int) -> list[tuple[Topic, Any]]:
        values: dict[Topic, dict[Any, float]] = defaultdict(dict)
        frames = {}
        for target, sent in zip(self._targets, self._sent, strict=True):
            values[target.topic][target.place] = sent
            frames[target.topic] = target.frame
        return [(topic, command(kind, values[topic], frames[topic], stamp)) for topic, kind in self.publications]
