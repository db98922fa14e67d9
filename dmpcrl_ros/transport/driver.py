"""The driver that runs one agent's protocols over ROS topics."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np
import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from dmpcrl_ros import msg
from dmpcrl_ros.core.exchange import DeadlineReached, Exchange, ExchangeTimeout, Protocol
from dmpcrl_ros.core.mailbox import Envelope, Mailbox
from dmpcrl_ros.transport.conversions import MessageError, exchange_from_msg, exchange_to_msg
from dmpcrl_ros.transport.qos import EXCHANGE, OVERRIDABLE, exchange_topic
from dmpcrl_ros.transport.runs import OTHER_LAUNCH, belongs, no_run

Result = TypeVar('Result')
# Kinds of exchange outside of all protocols.
_GREETING, _ANSWER = 'greeting', 'answer to a greeting'
GIVEN_UP, OUT_OF_TIME = 'step given up', 'out of time'
_RESENDS = 20  # of one round, at most: who has not answered by then will not
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

    A neighbour that leaves a round unanswered is lost. What follows in that step is up to the caller; from the next
    step on it is waited for again, or, if lost neighbours are to be left out, not until it is heard again.

    Args:
        node: on which the topics are made.
        executor: to which the node belongs; spun only while the driver waits.
        agent: index of this agent. names: of all agents it may address, by index.
        neighbours: indices of the agents it exchanges with.
        round_timeout: s, after which a round is given up, twice of it at the start of a step; 0 waits as long as the
            node lives.
        launch: number of the system; messages of another one are dropped.
        leave_out_lost: whether to go on without lost neighbours: inboxes lack them.
        resend_after: s without progress after which what was sent in the last two rounds is sent again; 0 never does.
    """

    def __init__(self, node: Node, executor: Executor, *, agent: int, names: Mapping[int, str],
                 neighbours: tuple[int, ...], round_timeout: float, launch: int = 0, leave_out_lost: bool = False,
                 resend_after: float = 0.0):
        self.mailbox = Mailbox(neighbours)
        self.timeouts = 0
        self.left_out: frozenset[int] = frozenset()
        self._lost: set[int] = set()
        self._heard: set[int] = set()  # in a protocol, since the step began
        self._gave_up: dict[tuple[int, str], tuple[int, int]] = {}
        self._launch, self._strange, self._next_greeting, self._together = launch, set(neighbours), 0.0, 0.0
        self._executor, self._agent, self._names, self._timeout = executor, agent, names, round_timeout
        self._leave_out_lost, self._resend_after = leave_out_lost, resend_after or math.inf
        # A neighbour can lack this round's message, or still wait for that of the round before.
        self._sent: deque[dict[int, msg.Exchange]] = deque(maxlen=2)
        self._next_resend, self._resends_left = math.inf, 0
        self._publishers = {
            j: node.create_publisher(msg.Exchange, exchange_topic(names[agent], names[j]), EXCHANGE,
                                     qos_overriding_options=OVERRIDABLE)
            for j in neighbours}
        self._subscriptions = [
            node.create_subscription(msg.Exchange, exchange_topic(names[j], names[agent]), self._receiver(j), EXCHANGE,
                                     qos_overriding_options=OVERRIDABLE)
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

    @property
    def lost(self) -> list[str]:
        """Names of the neighbours that left a round unanswered and have not been heard since."""
        return [self._names[j] for j in sorted(self._lost)]

    def begin_step(self, run: int, step: int) -> None:
        """Start the rounds of a control step; what neighbours sent of earlier ones is dropped.

        A neighbour may still wait in vain for the last round of the step before, for as long as the timeout: only from
        then on is its silence counted.
        """
        self.mailbox.now = (run, step, 0)
        self._together = time.monotonic() + self._timeout
        self._heard.clear()
        self.left_out = frozenset(self._lost) if self._leave_out_lost else frozenset()

    def give_up(self, why: str) -> None:
        """Tell the neighbours not to wait for this agent in the present step.

        Args:
            why: GIVEN_UP, or OUT_OF_TIME, which is then up for the neighbours as well.
        """
        run, step, number = self.mailbox.now
        for neighbour in self._publishers:
            self._publish(neighbour, Envelope(run, step, number, self._agent, why, np.zeros(0)))

    def run(self, program: Protocol[Result], deadline: float = math.inf,
            interrupted: Callable[[], str] = str) -> Result:
        """Drive a protocol to its end.

        Args:
            deadline: on the monotonic clock, s; then the program is told that its time is up.
            interrupted: why the program is not to go on, if it is not; asked while a message is waited for.

        Raises:
            ExchangeTimeout: a neighbour's message did not come in time, or the program was interrupted or is late; the
                program has been told, too.
            ExternalShutdownException: the node is to stop.
        """
        try:
            request = next(program)
            while True:
                self._send(request)
                try:
                    inbox = self._receive(request, deadline, interrupted)
                except ExchangeTimeout as timeout:
                    request = program.throw(timeout)
                    continue
                run, step, number = self.mailbox.now
                self.mailbox.now = (run, step, number + 1)
                request = program.send(inbox)
        except StopIteration as end:
            return end.value

    def idle(self, timeout: float) -> None:
        """Take in messages for at most `timeout` s between two steps; a neighbour may still lack the last round's."""
        self._spin(timeout)

    def _spin(self, timeout: float) -> None:
        now = time.monotonic()
        if now >= self._next_resend and self._resends_left:
            self._next_resend, self._resends_left = now + self._resend_after, self._resends_left - 1
            for messages in self._sent:
                for neighbour, message in messages.items():
                    self._publishers[neighbour].publish(message)
        self._executor.spin_once(timeout_sec=max(0.0, min(timeout, self._next_resend - now if self._resends_left
                                                          else timeout)))

    def _send(self, request: Exchange) -> None:
        run, step, number = self.mailbox.now
        messages = {neighbour: exchange_to_msg(Envelope(run, step, number, self._agent, request.kind, data))
                    for neighbour, data in request.outbox.items()}
        for neighbour, message in messages.items():
            self._publishers[neighbour].publish(message)
        self._sent.append(messages)
        self._next_resend, self._resends_left = time.monotonic() + self._resend_after, _RESENDS

    def _say(self, neighbour: int, kind: str) -> None:
        self._publish(neighbour, Envelope(no_run(self._launch), 0, 0, self._agent, kind, np.zeros(0)))

    def _publish(self, neighbour: int, envelope: Envelope) -> None:
        self._publishers[neighbour].publish(exchange_to_msg(envelope))

    def _receive(self, request: Exchange, deadline: float, interrupted: Callable[[], str]) -> dict:
        expects = request.expects
        if self.left_out:
            expects = {j: shape for j, shape in expects.items() if j not in self.left_out}
        now = time.monotonic()
        give_up = max(now, self._together) + self._timeout if self._timeout else math.inf
        while now <= deadline:
            if (inbox := self.mailbox.take(request.kind, expects)) is not None:
                return inbox
            if reason := interrupted():
                raise ExchangeTimeout(reason)
            if reason := self._who(GIVEN_UP, expects):
                self._lose_silent(expects)
                raise ExchangeTimeout(reason)
            if reason := self._who(OUT_OF_TIME, expects):
                raise DeadlineReached(reason)
            if now >= give_up:
                raise self._lose(request.kind, self.mailbox.missing(expects))
            if not rclpy.ok():
                raise ExternalShutdownException
            self._spin(min(give_up - now, deadline - now, 0.5))
            now = time.monotonic()
        raise self._late(expects)

    def _who(self, gave: str, expects: Iterable[int]) -> str:
        present = self.mailbox.now[:2]
        names = [self._names[j] for j in self.mailbox.missing(expects) if self._gave_up.get((j, gave)) == present]
        return f'{", ".join(names)}: {gave}' if names else ''

    def _late(self, expects: Iterable[int]) -> DeadlineReached:
        """Out of time, perhaps because somebody has said nothing in the whole step."""
        names = ', '.join(self._lose_silent(expects))
        return DeadlineReached(f'out of time in round {self.rounds}' + (f': nothing from {names}' if names else ''))

    def _lose_silent(self, expects: Iterable[int]) -> list[str]:
        """Count as lost who has said nothing in the whole step but, perhaps, that it gives it up; their names."""
        silent = sorted(set(self.mailbox.missing(expects)) - self._heard)
        self._lost.update(silent)
        return [self._names[j] for j in silent]

    def _lose(self, kind: str, silent: list[int]) -> ExchangeTimeout:
        """Count silent neighbours as lost."""
        self.timeouts += 1
        self._lost.update(silent)
        names = ', '.join(self._names[j] for j in silent)
        return ExchangeTimeout(f'no {kind!r} from {names} in round {self.rounds} within {self._timeout:g} s')

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
            elif envelope.kind in (GIVEN_UP, OUT_OF_TIME):
                self._gave_up[sender, envelope.kind] = (envelope.run, envelope.step)
            else:
                if (envelope.run, envelope.step) >= self.mailbox.now[:2]:
                    self._lost.discard(sender)
                    self._heard.add(sender)
                self.mailbox.put(envelope)
        return receive
