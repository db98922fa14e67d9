"""The driver that runs one agent's protocols over ROS topics."""

import time
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from dmpcrl_ros import msg
from dmpcrl_ros.coordination.exchange import Exchange, ExchangeTimeout, Protocol
from dmpcrl_ros.coordination.mailbox import Envelope, Mailbox
from dmpcrl_ros.transport.conversions import MessageError, exchange_from_msg, exchange_to_msg
from dmpcrl_ros.transport.qos import EXCHANGE, exchange_topic
from dmpcrl_ros.transport.runs import OTHER_LAUNCH, belongs, no_run

Result = TypeVar('Result')
_GREETING, _ANSWER = 'greeting', 'answer to a greeting'  # kinds of exchange outside of all protocols
_GREETING_PERIOD = 0.05  # s between two greetings of a neighbour that does not answer yet


def make_executor() -> Executor:
    """The executor of least latency: events where this rclpy has them (Jazzy 7.1.4 and later), else the default one."""
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


class RosDriver:
    """Publishes a program's outbox, waits for its inbox, resumes it; one topic for each directed edge.

    Args:
        node: on which the topics are made.
        executor: to which the node belongs; spun only while the driver waits.
        agent: index of this agent. names: of all agents it may address, by index.
        neighbours: indices of the agents it exchanges with.
        round_timeout: s, after which a round is given up, twice of it at the start of a step; 0 waits as long as the
            node lives.
        launch: number of the system; messages of another one are dropped.
    """

    def __init__(self, node: Node, executor: Executor, *, agent: int, names: Mapping[int, str],
                 neighbours: tuple[int, ...], round_timeout: float, launch: int = 0):
        self.mailbox = Mailbox(neighbours)
        self.timeouts = 0
        self._launch, self._strange, self._next_greeting, self._together = launch, set(neighbours), 0.0, 0.0
        self._executor, self._agent, self._names, self._timeout = executor, agent, names, round_timeout
        self._publishers = {
            j: node.create_publisher(msg.Exchange, exchange_topic(names[agent], names[j]), EXCHANGE)
            for j in neighbours}
        self._subscriptions = [
            node.create_subscription(msg.Exchange, exchange_topic(names[j], names[agent]), self._receiver(j), EXCHANGE)
            for j in neighbours]

    @property
    def dropped(self) -> int:
        """Messages that did not fit, so far; `mailbox.dropped` has the reasons."""
        return self.mailbox.dropped.total()

    @property
    def rounds(self) -> int:
        """Rounds completed in this step."""
        return self.mailbox.now[2]

    def unmatched(self) -> list[str]:
        """Neighbours that cannot be heard or cannot hear yet. Greets them: those of another launch do not count."""
        if (now := time.monotonic()) >= self._next_greeting:
            self._next_greeting = now + _GREETING_PERIOD
            for neighbour in self._strange:
                self._say(neighbour, _GREETING)
        return [self._names[j] for j in sorted(self._strange)]

    def begin_step(self, run: int, step: int) -> None:
        """Start the rounds of a control step; what neighbours sent of earlier ones is dropped.

        A neighbour may still wait in vain for the last round of the step before, for as long as the timeout: only from
        then on is its silence counted.
        """
        self.mailbox.now = (run, step, 0)
        self._together = time.monotonic() + self._timeout

    def run(self, program: Protocol[Result]) -> Result:
        """Drive a protocol to its end.

        Raises:
            ExchangeTimeout: a neighbour's message did not come in time; the program has been told, too.
            ExternalShutdownException: the node is to stop.
        """
        try:
            request = next(program)
            while True:
                self._send(request)
                try:
                    inbox = self._receive(request)
                except ExchangeTimeout as timeout:
                    self.timeouts += 1
                    request = program.throw(timeout)
                    continue
                run, step, number = self.mailbox.now
                self.mailbox.now = (run, step, number + 1)
                request = program.send(inbox)
        except StopIteration as end:
            return end.value

    def _send(self, request: Exchange) -> None:
        run, step, number = self.mailbox.now
        for neighbour, data in request.outbox.items():
            envelope = Envelope(run, step, number, self._agent, request.kind, data)
            self._publishers[neighbour].publish(exchange_to_msg(envelope))

    def _say(self, neighbour: int, kind: str) -> None:
        envelope = Envelope(no_run(self._launch), 0, 0, self._agent, kind, np.zeros(0))
        self._publishers[neighbour].publish(exchange_to_msg(envelope))

    def _receive(self, request: Exchange) -> dict:
        deadline = max(time.monotonic(), self._together) + self._timeout if self._timeout else float('inf')
        while (inbox := self.mailbox.take(request.kind, request.expects)) is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0.0:
                silent = ', '.join(self._names[j] for j in self.mailbox.missing(request.expects))
                raise ExchangeTimeout(f'no {request.kind!r} from {silent} in round {self.rounds} '
                                      f'within {self._timeout:g} s')
            if not rclpy.ok():
                raise ExternalShutdownException
            self._executor.spin_once(timeout_sec=min(remaining, 0.5))
        return inbox

    def _receiver(self, sender: int):
        def receive(message: msg.Exchange) -> None:
            if not belongs(message.run, self._launch):
                self.mailbox.dropped[OTHER_LAUNCH] += 1
                return
            try:
                envelope = exchange_from_msg(message, sender)
            except MessageError as reason:
                self.mailbox.dropped[str(reason)] += 1
                return
            if envelope.kind == _GREETING:
                self._say(sender, _ANSWER)
            elif envelope.kind == _ANSWER:
                self._strange.discard(sender)  # who answers has heard this agent, and is heard
            else:
                self.mailbox.put(envelope)
        return receive
