# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Elements of agents' states from messages of sensors; without a node.

state = sign * scale * value in the message + offset, minus the same of a second message where one is declared
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dmpcrl_ros.transport.bridge_messages import measured_at
from dmpcrl_ros.transport.conversions import MessageError

_LARGEST = sys.float_info.max / 2  # the difference of two of them is finite


@dataclass(frozen=True)
class Topic:
    """Name of a topic. Two names that resolve to the same name are the same topic.

    Args:
        declared: name for the node that makes the topic, which resolves it.
        resolved: name in the ROS graph, after namespace and remapping.
    """

    declared: str = field(compare=False)
    resolved: str

    def __str__(self) -> str:
        return self.resolved


@dataclass(frozen=True, kw_only=True)
class Source:
    """Origin of one element of an agent's state, or of one side of a difference.

    Args:
        name: of agent and element, for error messages.
        topic: of the messages.
        kind: class of the messages.
        read: returns the value in a message; raises MessageError.
        gain: factor from that value to the state.
        offset: of the state.
    """

    name: str
    topic: Topic
    kind: type
    read: Callable[[Any], float]
    gain: float
    offset: float

    def state(self, message: Any) -> float:
        """Contribution to the state, from a message.

        Raises:
            MessageError: the message does not have the value; the text gives the reason.
        """
        state = self.gain * self.read(message) + self.offset
        if not abs(state) <= _LARGEST:
            raise MessageError('not finite')
        return state


class Measurement:
    """Newest value of a source.

    Args:
        source: of the value.

    Attributes:
        source: of the value.
        value: in the units of the state; 0 before the first message.
        stamp: time of the measurement [ns], from the header of its message or else that of its arrival; 0 before the
            first message.
    """

    def __init__(self, source: Source):
        self.source, self.value, self.stamp = source, 0.0, 0
        self._header_stamp, self._heard = 0, math.nan

    def take(self, message: Any, now: float, received: int) -> None:
        """Keep the value in a message.

        Args:
            message: of the source.
            now: monotonic time [s].
            received: ROS time at which it came [ns].

        Raises:
            MessageError: the value is not valid, or not newer than the former one, which is then kept with its age.
        """
        value, stamp = self.source.state(message), measured_at(message)
        if stamp and stamp == self._header_stamp:
            raise MessageError('same stamp again')
        self.value, self.stamp = value, stamp or received
        self._header_stamp, self._heard = stamp, now

    def is_fresh(self, now: float, max_age: float) -> bool:
        """Whether there is a value not older than `max_age` [s].

        A value from after `now` is not fresh: the clock was set back.
        """
        return 0.0 <= now - self._heard <= max_age


class StateElement:
    """One element of an agent's state.

    Args:
        sources: whose values are added.
        wrap: whether it is an angle, to be wrapped to -pi..pi.

    Attributes:
        measurements: of the sources.
    """

    def __init__(self, sources: Sequence[Source], wrap: bool = False):
        self.measurements = [Measurement(source) for source in sources]
        self._wrap = wrap

    @property
    def value(self) -> float:
        """Present value, in the units of the state."""
        value = sum(measurement.value for measurement in self.measurements)
        return math.remainder(value, math.tau) if self._wrap else value

    @property
    def stamp(self) -> int:
        """Time of the oldest measurement in it [ns]."""
        return min(measurement.stamp for measurement in self.measurements)
