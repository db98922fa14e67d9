"""The state machine that drives the program of one agent: rounds, timeouts, resending, deadlines, lost neighbours.

It knows neither ROS nor a clock: messages and the time are passed in, and what is to be done is handed out. The ROS
driver and the simulation of faults in virtual time run the same engine.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.core.exchange import Act, DeadlineReached, Exchange, ExchangeTimeout, Inbox
from dmpcrl_ros.core.mailbox import Envelope, Mailbox

# Control frames: kinds of envelopes that belong to no exchange.
GIVEN_UP, OUT_OF_TIME = 'step given up', 'out of time'
_RESENDS = 20  # of one round, at most: a neighbour that has not answered by then will not


class Send(NamedTuple):
    """An envelope is to go to a neighbour."""

    receiver: int
    envelope: Envelope


class Acted(NamedTuple):
    """The action of the step is decided. The program continues at the next `tick`."""

    action: np.ndarray
    fallback: bool


class Done(NamedTuple):
    """The step has ended."""

    report: StepReport


Event: TypeAlias = Send | Acted | Done


class RoundEngine:
    """Sends a program's outbox, waits for its inbox, and resumes it.

    A neighbour that leaves a round unanswered is lost. From the next step on it is waited for again or, if lost
    neighbours are to be left out, not before it is heard again. Whoever gives a step up tells its neighbours.

    Args:
        agent: index of this agent.
        names: of the agents, by index, for messages to people.
        neighbours: indices of the agents it exchanges with.
        round_timeout: s, after which a round is given up, twice of it at the start of a step; infinite to wait for
            ever.
        resend_after: s without progress after which what was sent in the last two rounds is sent again; infinite for
            never.
        optional_timeout: s, for which optional senders of a round are waited for.
        leave_out_lost: whether to go on without lost neighbours: inboxes lack them.
    """

    def __init__(self, agent: int, neighbours: Iterable[int], *, names: Mapping[int, str] | None = None,
                 round_timeout: float = math.inf, resend_after: float = math.inf, optional_timeout: float = 1.0,
                 leave_out_lost: bool = False):
        self.agent = agent
        self.neighbours = tuple(neighbours)
        self.mailbox = Mailbox(self.neighbours)
        self.timeouts = 0
        self.left_out: frozenset[int] = frozenset()
        self._names = names or {j: str(j) for j in self.neighbours}
        self._round_timeout = round_timeout
        self._resend_after = resend_after
        self._optional_timeout = optional_timeout
        self._leave_out_lost = leave_out_lost
        self._lost: set[int] = set()
        self._heard: set[int] = set()  # in an exchange, since the step began
        self._gave_up: dict[tuple[int, str], tuple[int, int]] = {}
        # A neighbour can lack this round's message, or still wait for that of the round before.
        self._sent: deque[list[Send]] = deque(maxlen=2)
        self._next_resend = math.inf
        self._resends_left = 0
        self._program: Any = None
        self._request: Exchange | None = None  # the round that is waited for
        self._acted = False                    # the program is to be resumed after its Act
        self._interruption = ''
        self._deadline = self._together = self._give_up_at = self._optional_until = math.inf

    @property
    def busy(self) -> bool:
        """Whether a step is under way."""
        return self._program is not None

    @property
    def rounds(self) -> int:
        """Number of rounds completed in this step."""
        return self.mailbox.now[2]

    @property
    def dropped(self) -> int:
        """Number of messages that did not fit, so far; `mailbox.dropped` has the reasons."""
        return self.mailbox.dropped.total()

    @property
    def lost(self) -> list[str]:
        """Names of the neighbours that left a round unanswered and have not been heard since."""
        return [self._names[j] for j in sorted(self._lost)]

    @property
    def wake_at(self) -> float:
        """Time at which `tick` is due."""
        if self._acted:
            return -math.inf
        resend = self._next_resend if self._resends_left else math.inf
        if self._request is None:
            return resend
        optional = self._optional_until if self._request.optional else math.inf
        return min(resend, optional, self._give_up_at, self._deadline)

    def open(self, run: int, step: int, now: float) -> None:
        """Move to a control step: what neighbours sent of earlier ones is dropped.

        A neighbour may still wait in vain for the last round of the step before, for as long as the timeout: only from
        then on its silence counts.
        """
        self.mailbox.now = (run, step, 0)
        self._together = now + self._round_timeout
        self._heard.clear()
        self.left_out = frozenset(self._lost) if self._leave_out_lost else frozenset()
        self._interruption = ''

    def begin(self, program: Any, now: float, deadline: float = math.inf) -> list[Event]:
        """Start the program of the step that was opened.

        Args:
            program: generator of exchanges and at most one Act.
            now: s.
            deadline: s, until which the program is to act; then it is told that its time is up.
        """
        self._program, self._deadline = program, deadline
        events: list[Event] = []
        self._resume(program.send, None, events, now)
        return self._proceed(events, now)

    def receive(self, envelope: Envelope, now: float) -> list[Event]:
        """Take in a message of a neighbour."""
        present = (envelope.run, envelope.step)
        if envelope.kind in (GIVEN_UP, OUT_OF_TIME):
            self._gave_up[envelope.sender, envelope.kind] = present
        else:
            if present >= self.mailbox.now[:2]:
                self._lost.discard(envelope.sender)
                self._heard.add(envelope.sender)
            self.mailbox.put(envelope)
        return self._proceed([], now)

    def tick(self, now: float) -> list[Event]:
        """Continue after an Act, resend, or give up what is due."""
        events: list[Event] = []
        if self._acted:
            self._acted = False
            self._resume(self._program.send, None, events, now)
        if self._resends_left and now >= self._next_resend:
            self._next_resend, self._resends_left = now + self._resend_after, self._resends_left - 1
            events.extend(message for messages in self._sent for message in messages)
        return self._proceed(events, now)

    def interrupt(self, reason: str, now: float) -> list[Event]:
        """Let the program give the step up at its next exchange."""
        self._interruption = reason
        return self._proceed([], now)

    def decline(self, run: int, step: int, now: float) -> list[Event]:
        """Tell the neighbours not to wait for this agent in a step in which it takes no part."""
        self.open(run, step, now)
        return self._notices(GIVEN_UP)

    def _proceed(self, events: list[Event], now: float) -> list[Event]:
        """Resume the program as long as what it waits for is there, or cannot come any more."""
        while self._request is not None:
            if reason := self._overdue(now):
                self._throw(reason, events, now)
            elif (inbox := self._inbox(now)) is not None:
                run, step, number = self.mailbox.now
                self.mailbox.now = (run, step, number + 1)
                self._resume(self._program.send, inbox, events, now)
            elif reason := self._hopeless(now):
                self._throw(reason, events, now)
            else:
                break
        return events

    def _resume(self, resume: Callable[[Any], Any], value: Any, events: list[Event], now: float) -> None:
        """Let the program run to its next exchange, its Act, or its end."""
        self._request = None
        try:
            request = resume(value)
        except StopIteration as end:
            self._program = None
            events.append(Done(end.value))
            return
        if isinstance(request, Act):
            self._deadline, self._acted = math.inf, True
            events.append(Acted(request.action, request.fallback))
            return
        self._request = request
        self._send(request, events, now)
        self._give_up_at = max(now, self._together) + self._round_timeout
        self._optional_until = now + self._optional_timeout

    def _throw(self, reason: ExchangeTimeout, events: list[Event], now: float) -> None:
        """Tell the program that the round failed, and the neighbours what became of the step. If an agent acts on what
        was agreed until its deadline, its neighbours can do the same; otherwise the step is lost to them."""
        answer: list[Event] = []
        self._resume(self._program.throw, reason, answer, now)
        in_time = isinstance(reason, DeadlineReached) and any(
            isinstance(event, Acted) and not event.fallback for event in answer)
        if self._request is None:
            events.extend(self._notices(OUT_OF_TIME if in_time else GIVEN_UP))
        events.extend(answer)

    def _inbox(self, now: float) -> Inbox | None:
        """Messages of the round that is due; None while one is missing that is waited for."""
        kind, expects, optional = self._request.kind, self._expected(), self._request.optional
        if optional:
            present = {j: shape for j, shape in optional.items() if self.mailbox.holds(kind, j, shape)}
            if now >= self._optional_until:
                self._optional_until = math.inf
            elif len(present) < len(optional) and self._optional_until < math.inf:
                return None
            expects = {**expects, **present}
        return self.mailbox.take(kind, expects)

    def _expected(self) -> Mapping[int, tuple[int, ...]]:
        expects = self._request.expects
        return {j: shape for j, shape in expects.items() if j not in self.left_out} if self.left_out else expects

    def _overdue(self, now: float) -> DeadlineReached | None:
        """Whether the time to act is up, perhaps because a neighbour has said nothing in the whole step."""
        if now < self._deadline:
            return None
        names = ', '.join(self._lose_silent())
        return DeadlineReached(f'out of time in round {self.rounds}' + (f': nothing from {names}' if names else ''))

    def _hopeless(self, now: float) -> ExchangeTimeout | None:
        """Why the missing messages of this round are not to be waited for any longer; None while they are."""
        if self._interruption:
            return ExchangeTimeout(self._interruption)
        if names := self._neighbours_that(GIVEN_UP):
            self._lose_silent()
            return ExchangeTimeout(f'{names}: {GIVEN_UP}')
        if names := self._neighbours_that(OUT_OF_TIME):
            return DeadlineReached(f'{names}: {OUT_OF_TIME}')
        if now >= self._give_up_at:
            silent = self.mailbox.missing(self._expected())
            self.timeouts += 1
            self._lost.update(silent)
            names = ', '.join(self._names[j] for j in silent)
            return ExchangeTimeout(f'no {self._request.kind!r} from {names} in round {self.rounds} within '
                                   f'{self._round_timeout:g} s')
        return None

    def _neighbours_that(self, frame: str) -> str:
        """Names of the neighbours that are missing in this round and sent a control frame in this step."""
        present = self.mailbox.now[:2]
        return ', '.join(self._names[j] for j in self.mailbox.missing(self._expected())
                         if self._gave_up.get((j, frame)) == present)

    def _lose_silent(self) -> list[str]:
        """Count the missing neighbours as lost that took part in no exchange of this step; their names."""
        silent = sorted(set(self.mailbox.missing(self._expected())) - self._heard)
        self._lost.update(silent)
        return [self._names[j] for j in silent]

    def _send(self, request: Exchange, events: list[Event], now: float) -> None:
        run, step, number = self.mailbox.now
        messages = [Send(receiver, Envelope(run, step, number, self.agent, request.kind, _rows(data)))
                    for receiver, data in request.outbox.items()]
        events.extend(messages)
        self._sent.append(messages)
        self._next_resend, self._resends_left = now + self._resend_after, _RESENDS

    def _notices(self, frame: str) -> list[Event]:
        """A control frame to all neighbours."""
        run, step, number = self.mailbox.now
        return [Send(j, Envelope(run, step, number, self.agent, frame, np.zeros((0, 1)))) for j in self.neighbours]


def _rows(data: np.ndarray) -> np.ndarray:
    """A copy of two dimensions: the sender may change its array before the message is taken or sent again."""
    return np.array(data if data.ndim == 2 else data.reshape(-1, 1))
