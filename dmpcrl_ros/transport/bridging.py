"""Between standard topics and the states and inputs of agents: a mapping declared in YAML, without a node.

    state = sign * scale * value in the message + offset
    value in the message = sign * scale * input + offset, then limited in rate, then saturated

bridging.schema.json documents every key.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from dmpcrl_ros.transport.conversions import MessageError, doubles

MESSAGES = {
    'sensor_msgs/JointState': JointState,
    'nav_msgs/Odometry': Odometry,
    'geometry_msgs/Twist': Twist,
    'std_msgs/Float64MultiArray': Float64MultiArray,
}
_ROTATION_TOLERANCE = 0.01  # of the norm of a quaternion


@dataclass(frozen=True, kw_only=True)
class Source:
    """Origin of one element of an agent's state.

    Args:
        name: of agent and element, for error messages.
        topic: of the messages.
        kind: class of the messages.
        read: returns the value in a message; raises MessageError.
        gain: factor from that value to the state.
        offset: of the state.
    """

    name: str
    topic: str
    kind: type
    read: Callable[[Any], float]
    gain: float
    offset: float

    def state(self, message: Any) -> float:
        """Element of the state, from a message.

        Raises:
            MessageError: the message does not have it; says why.
        """
        state = self.gain * self.read(message) + self.offset
        if not math.isfinite(state):
            raise MessageError('not finite')
        return state


@dataclass(frozen=True, kw_only=True)
class Target:
    """Destination of one element of an agent's input; all numbers but `gain` in units of the message.

    Args:
        name: of agent and element, for error messages.
        topic: of the messages.
        kind: class of the messages.
        place: index in the data, or part and axis of a Twist.
        gain: factor from the input to the value sent.
        offset: of the value sent.
        low: smallest value sent.
        high: largest value sent.
        rate_limit: largest change of the value per second; may be infinite.
        safe: value that does no harm.
    """

    name: str
    topic: str
    kind: type
    place: int | tuple[str, str]
    gain: float
    offset: float
    low: float
    high: float
    rate_limit: float
    safe: float

    def command(self, action: float, last: float, period: float) -> float:
        """The value to send for an input, `period` [s] after `last` was sent."""
        wanted, change = self.gain * action + self.offset, self.rate_limit * period
        return min(max(min(max(wanted, last - change), last + change), self.low), self.high)

    def action(self, command: float) -> float:
        """Input that corresponds to a value sent."""
        return (command - self.offset) / self.gain


class Mapping:
    """Sources and targets of all agents, with the newest state heard and the last commands sent.

    Before the first command the actuators are taken to be at their safe values.

    Args:
        sources: of each agent's state, element by element.
        targets: of each agent's input, element by element.
    """

    def __init__(self, sources: Sequence[Sequence[Source]], targets: Sequence[Sequence[Target]]):
        self._sources = [source for agent in sources for source in agent]
        self._targets = [target for agent in targets for target in agent]
        self._state_ends = np.cumsum([len(agent) for agent in sources])[:-1]
        self._input_sizes = [len(agent) for agent in targets]
        self._state = np.zeros(len(self._sources))
        self._heard = np.full(len(self._sources), math.nan)  # never
        self._sent = [target.safe for target in self._targets]
        self.dropped: Counter[str] = Counter()

    @property
    def subscriptions(self) -> list[tuple[str, type]]:
        """Topics of measurements, each once, with the class of their messages."""
        return list({source.topic: source.kind for source in self._sources}.items())

    @property
    def publications(self) -> list[tuple[str, type]]:
        """Topics of commands, each once, with the class of their messages."""
        return list({target.topic: target.kind for target in self._targets}.items())

    def take(self, topic: str, message: Any, now: float) -> None:
        """Keep the measurements of a message that arrived at `now` [s].

        Elements that are missing in the message keep their former value and age. The message is then counted in
        `dropped`, once for each reason.
        """
        reasons = set()
        for i, source in enumerate(self._sources):
            if source.topic == topic:
                try:
                    self._state[i], self._heard[i] = source.state(message), now
                except MessageError as reason:
                    reasons.add(str(reason))
        self.dropped.update(reasons)

    def states(self, now: float, max_age: float) -> list[np.ndarray] | None:
        """State of each agent (n_x,); None while an element was never measured or is older than `max_age` [s]."""
        if self.stale(now, max_age):
            return None
        return [state.copy() for state in np.split(self._state, self._state_ends)]

    def stale(self, now: float, max_age: float) -> list[str]:
        """Elements that were never measured or are too old. One measured after `now` is stale, too: the clock was set
        back."""
        fresh = (self._heard <= now) & (now - self._heard <= max_age)
        return [
            f'{source.name} ({source.topic})' for source, known in zip(self._sources, fresh, strict=True) if not known
        ]

    def commands(self, actions: Sequence[np.ndarray], period: float) -> list[tuple[str, Any]]:
        """One message for each topic that carries the inputs (n_u,) of all agents, `period` [s] after the last ones.

        Raises:
            ValueError: an input has the wrong size or is not finite, or the period is negative; nothing is changed.
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
        return self._messages()

    def safe_commands(self) -> list[tuple[str, Any]]:
        """One message for each topic with the safe values, at once."""
        self._sent = [target.safe for target in self._targets]
        return self._messages()

    def applied(self) -> list[np.ndarray]:
        """Inputs (n_u,) that correspond to the last commands, after all limits."""
        flat = np.array([target.action(sent) for target, sent in zip(self._targets, self._sent, strict=True)])
        return np.split(flat, np.cumsum(self._input_sizes)[:-1])

    def _messages(self) -> list[tuple[str, Any]]:
        return [
            (
                topic,
                _message(
                    kind,
                    {
                        target.place: sent
                        for target, sent in zip(self._targets, self._sent, strict=True)
                        if target.topic == topic
                    },
                ),
            )
            for topic, kind in self.publications
        ]


def reader(kind: type, declared: dict[str, Any]) -> Callable[[Any], float]:
    """Function that reads the declared value in a message of a kind, and raises MessageError if there is none."""
    if kind is JointState:
        return lambda message: _joint(message, declared['joint'], declared['field'])
    if kind is Odometry:
        part, axis = declared['field'].split('.')
        return lambda message: _odometry(message, part, axis, declared['frame'])
    return lambda message: _element(message, int(declared['index']))


def _joint(message: JointState, joint: str, field: str) -> float:
    values = getattr(message, field)
    if joint not in message.name:
        raise MessageError('no such joint')
    if len(values) != len(message.name):
        raise MessageError('wrong size')
    return values[message.name.index(joint)]


def _odometry(message: Odometry, part: str, axis: str, frame: str) -> float:
    if frame != (message.header.frame_id if part == 'pose' else message.child_frame_id):
        raise MessageError('wrong frame')
    if part == 'twist':
        twist = message.twist.twist
        return twist.angular.z if axis == 'yaw' else getattr(twist.linear, axis)
    pose = message.pose.pose
    return _yaw(pose.orientation) if axis == 'yaw' else getattr(pose.position, axis)


def _yaw(q: Any) -> float:
    """Angle about z [rad] of a unit quaternion."""
    if not abs(math.hypot(q.x, q.y, q.z, q.w) - 1.0) <= _ROTATION_TOLERANCE:
        raise MessageError('no rotation')
    return math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y**2 + q.z**2))


def _element(message: Float64MultiArray, index: int) -> float:
    if index >= len(message.data):
        raise MessageError('wrong size')
    return message.data[index]


def _message(kind: type, values: dict[Any, float]) -> Any:
    """Message with values at their places; those of a Twist that are not given are zero."""
    if kind is Float64MultiArray:
        return Float64MultiArray(data=doubles(np.array([values[i] for i in range(len(values))])))
    message = Twist()
    for (part, axis), value in values.items():
        setattr(getattr(message, part), axis, value)
    return message
