# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The state machine that drives the program of one agent: rounds, timeouts, resending, deadlines, lost neighbours.

It knows neither ROS nor a clock: messages and the time are passed in, and what is to be done is handed out. The ROS
driver and the simulation of faults in virtual time run the same engine.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dmpcrl_ros.core.events import GIVEN_UP, OUT_OF_TIME, Acted, Done, Event
from dmpcrl_ros.core.exchange import Act, DeadlineReached, Exchange, ExchangeTimeout, Inbox, ProgramError
from dmpcrl_ros.core.mailbox import Envelope, Mailbox
from dmpcrl_ros.core.neighbours import Neighbours
from dmpcrl_ros.core.outbox import Outbox

_THROWN = 100  # exceptions in one step, after which a program that does not end is closed


class RoundEngine:
    """Sends a program's outbox, waits for its inbox, and resumes it.

    A neighbour that leaves a round unanswered is lost. From the next step on it is waited for again or, if lost
    neighbours are to be left out, not before it is heard again. An agent that gives a step up tells its neighbours.

    Args:
        agent: index of this agent.
        names: of the agents, by index, for messages to people.
        neighbours: indices of the agents it exchanges with.
        round_timeout: s, after which a round is given up; infinite to wait for ever.
        patient_rounds: number of rounds at the start of a step that are given up only after twice the round timeout
            since its start: a neighbour may still wait in vain for the last round of the step before. The diameter of
            the graph is enough: in later rounds all agents have begun the step.
        resend_after: s without progress after which what neighbours may lack is sent again; infinite for never.
        optional_timeout: s, for which optional senders of a round are waited for.
        leave_out_lost: whether to go on without lost neighbours: inboxes lack them.
    """

    def __init__(
        self,
        agent: int,
        neighbours: Iterable[int],
        *,
        names: Mapping[int, str] | None = None,
        round_timeout: float = math.inf,
        patient_rounds: float = math.inf,
        resend_after: float = math.inf,
        optional_timeout: float = 1.0,
        leave_out_lost: bool = False,
    ):
        self.agent = agent
        self.neighbours = tuple(neighbours)
        self.mailbox = Mailbox(self.neighbours)
        self.timeouts = 0
        self._name = (names or {}).get(agent, str(agent))
        self._others = Neighbours(names or {j: str(j) for j in self.neighbours}, leave_out_lost)
        self._patient_rounds = patient_rounds
        self._outbox = Outbox(agent)
        self.set_timeouts(round_timeout=round_timeout, resend_after=resend_after, optional_timeout=optional_timeout)
        self._program: Any = None
        self._request: Exchange | None = None  # the round that is waited for
        self._acted = False  # the program is to be resumed after its Act
        self._interruption = ''
        self.acted, self._thrown = False, 0  # in this step: whether it has acted, number of exceptions
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
        return self._others.lost

    @property
    def left_out(self) -> frozenset[int]:
        """Lost neighbours that this step does without."""
        return self._others.left_out

    @property
    def wake_at(self) -> float:
        """Time at which `tick` is due."""
        if self._acted:
            return -math.inf
        if self._request is None:
            return self._outbox.resend_at
        optional = self._optional_until if self._request.optional else math.inf
        return min(self._outbox.resend_at, optional, self._give_up_at, self._deadline)

    def set_timeouts(self, *, round_timeout: float, resend_after: float, optional_timeout: float) -> None:
        """Change the timeouts from the next round on.

        Args:
            round_timeout: s, as that of the class.
            resend_after: s, as that of the class.
            optional_timeout: s, as that of the class.
        """
        self._round_timeout, self._optional_timeout = round_timeout, optional_timeout
        self._outbox.resend_after = resend_after

    def open(self, run: int, step: int, now: float) -> None:
        """Move to a control step: what neighbours sent of earlier ones is dropped."""
        self.mailbox.now = (run, step, 0)
        self._together = now + self._round_timeout
        self._others.begin_step((run, step))
        self._interruption = ''
        self.acted, self._thrown = False, 0

    def begin(self, program: Any, now: float, deadline: float = math.inf) -> list[Event]:
        """Start the program of the step that was opened.

        Args:
            program: generator of exchanges and at most one Act.
            now: present time [s].
            deadline: s, until which the program is to act; then it is told that its time is up.
        """
        self._program, self._deadline = program, deadline
        events: list[Event] = []
        self._resume(program.send, None, events, now)
        return self._proceed(events, now)

    def receive(self, envelope: Envelope, now: float) -> list[Event]:
        """Take in a message of a neighbour."""
        present = (envelope.run, envelope.step)
        if envelope.kind in (GIVEN_UP, OUT_OF_TIME) and envelope.sender in self.neighbours:
            self._others.hear_frame(envelope.sender, envelope.kind, present)
        else:
            if present >= self.mailbox.now[:2]:
                self._others.hear(envelope.sender)
            if present in (self.mailbox.now[:2], (self.mailbox.now[0], self.mailbox.now[1] + 1)):
                self._outbox.confirm(envelope.sender, (*present, envelope.round))
            self.mailbox.put(envelope)
        return self._proceed([], now)

    def tick(self, now: float) -> list[Event]:
        """Continue after an Act, resend, or give up what is due."""
        events: list[Event] = []
        if self._acted:
            self._acted = False
            self._resume(self._program.send, None, events, now)
        if now >= self._outbox.resend_at:
            events.extend(self._outbox.resend(now))
        return self._proceed(events, now)

    def interrupt(self, reason: str, now: float) -> list[Event]:
        """Let the program give the step up at its next exchange."""
        self._interruption = reason
        return self._proceed([], now)

    def decline(self, run: int, step: int, now: float) -> list[Event]:
        """Tell the neighbours not to wait for this agent in a step in which it takes no part."""
        self.open(run, step, now)
        return self._outbox.frames(GIVEN_UP, self.mailbox.now, self.neighbours)

    def _proceed(self, events: list[Event], now: float) -> list[Event]:
        """Resume the program as long as what it waits for is there, or cannot come any more."""
        while (request := self._request) is not None:
            if reason := self._overdue(request, now):
                self._throw(reason, events, now)
            elif (inbox := self._inbox(request, now)) is not None:
                run, step, number = self.mailbox.now
                self.mailbox.now = (run, step, number + 1)
                self._resume(self._program.send, inbox, events, now)
            elif reason := self._hopeless(request, now):
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
        except BaseException:  # as of a signal: the program is over, whatever it was about to do
            self._program = None
            raise
        if isinstance(request, Act):
            if self.acted:
                self._refuse('acts twice in one step')
            self._deadline, self.acted, self._acted = math.inf, True, True
            events.append(Acted(request.action, request.fallback))
            return
        self._request = request
        events.extend(self._outbox.send(self.mailbox.now, request, now))
        patience = max(now, self._together) if self.rounds < self._patient_rounds else now
        self._give_up_at = patience + self._round_timeout
        self._optional_until = now + self._optional_timeout

    def _throw(self, reason: ExchangeTimeout, events: list[Event], now: float) -> None:
        """Tell the program that the round failed, and the neighbours what became of the step.

        If an agent acts on what was agreed until its deadline, its neighbours can do the same; otherwise the step is
        lost to them.
        """
        answer: list[Event] = []
        self._thrown += 1
        if self._thrown > _THROWN:
            self._refuse(f'goes on exchanging although {reason}')
        self._resume(self._program.throw, reason, answer, now)
        in_time = isinstance(reason, DeadlineReached) and any(
            isinstance(event, Acted) and not event.fallback for event in answer
        )
        if self._request is None:
            frame = OUT_OF_TIME if in_time else GIVEN_UP
            events.extend(self._outbox.frames(frame, self.mailbox.now, self.neighbours))
        events.extend(answer)

    def _inbox(self, request: Exchange, now: float) -> Inbox | None:
        """Messages of the round that is due; None while one is missing that is waited for."""
        kind, expects, optional = request.kind, self._expected(request), request.optional
        if optional:
            present = {j: shape for j, shape in optional.items() if self.mailbox.holds(kind, j, shape)}
            awaited = set(optional) - set(present) - self._others.senders_of(GIVEN_UP, self.mailbox.now[:2])
            if now >= self._optional_until:
                self._optional_until = math.inf
            elif awaited and self._optional_until < math.inf:
                return None
            expects = {**expects, **present}
        return self.mailbox.take(kind, expects)

    def _expected(self, request: Exchange) -> Mapping[int, tuple[int, ...]]:
        expects = request.expects
        return {j: shape for j, shape in expects.items() if j not in self.left_out} if self.left_out else expects

    def _overdue(self, request: Exchange, now: float) -> ExchangeTimeout | None:
        """Whether the time to act is up, perhaps because a neighbour has said nothing in the whole step."""
        if now < self._deadline:
            return None
        names = self._others.lose_silent(self._missing(request))
        return DeadlineReached(f'out of time in round {self.rounds}' + (f': nothing from {names}' if names else ''))

    def _hopeless(self, request: Exchange, now: float) -> ExchangeTimeout | None:
        """Reason not to wait any longer for the missing messages of this round; None while they are waited for."""
        if self._interruption:
            return ExchangeTimeout(self._interruption)
        if self._others.frames:
            missing, present = self._missing(request), self.mailbox.now[:2]
            if names := self._others.that_sent(GIVEN_UP, missing, present):
                self._others.lose_silent(missing)
                return ExchangeTimeout(f'{names}: {GIVEN_UP}')
            if names := self._others.that_sent(OUT_OF_TIME, missing, present):
                return DeadlineReached(f'{names}: {OUT_OF_TIME}')
        if now >= self._give_up_at:
            self.timeouts += 1
            names = self._others.lose(self._missing(request))
            return ExchangeTimeout(
                f'no {request.kind!r} from {names} in round {self.rounds} within {self._round_timeout:g} s'
            )
        return None

    def _missing(self, request: Exchange) -> list[int]:
        return self.mailbox.missing(self._expected(request))

    def _refuse(self, fault: str) -> None:
        self._program.close()
        self._program = self._request = None
        raise ProgramError(f'the program of agent {self._name} {fault}')
