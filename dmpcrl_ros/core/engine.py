# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The state machine that drives the program of one agent: rounds, timeouts, resending, deadlines, lost neighbours.

The engine needs neither ROS nor a clock: callers pass messages and the time, and carry out the events that it returns.
The ROS driver and the simulation of faults in virtual time run the same engine.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dmpcrl_ros.core.events import GIVEN_UP, LINKS, OUT_OF_TIME, Acted, Done, Event
from dmpcrl_ros.core.exchange import Act, DeadlineReached, Exchange, ExchangeTimeout, Inbox, ProgramError
from dmpcrl_ros.core.graph import Edge
from dmpcrl_ros.core.link_state import LinkState
from dmpcrl_ros.core.mailbox import Envelope, Mailbox
from dmpcrl_ros.core.neighbours import Neighbours
from dmpcrl_ros.core.outbox import Outbox

_THROWN = 100  # exceptions in one step after which the engine closes a program that does not end


class RoundEngine:
    """Sends a program's outbox, waits for its inbox, and resumes it.

    A neighbour that does not answer in a round is lost. From the next step on the engine waits for it again. If lost
    neighbours are left out, the engine waits for it only after a new message from it. An agent that gives up a step
    notifies its neighbours.

    Args:
        agent: index of this agent.
        names: of the agents, by index, for the texts of errors.
        neighbours: indices of the agents it exchanges with.
        round_timeout: time after which a round fails [s]; infinite to wait forever.
        patient_rounds: number of rounds at the start of a step that fail only after twice the round timeout since its
            start, because a neighbour may still wait in vain for the last round of the former step. The diameter of the
            graph is enough: in later rounds all agents have begun the step.
        resend_after: time without progress after which the agent sends again what neighbours may lack [s]; infinite for
            never.
        optional_timeout: longest wait for the optional senders of a round [s].
        leave_out_lost: whether to continue without lost neighbours; inboxes then lack them.
        links: agreement on the edges that are cut; None if programs always use the whole graph.
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
        links: LinkState | None = None,
    ):
        self.agent = agent
        self.neighbours = tuple(neighbours)
        self.mailbox = Mailbox(self.neighbours)
        self.timeouts = 0
        self._name = (names or {}).get(agent, str(agent))
        self._others = Neighbours(names or {j: str(j) for j in self.neighbours}, leave_out_lost)
        self._patient_rounds, self._links = patient_rounds, links or LinkState(agent)
        self._outbox = Outbox(agent)
        self.set_timeouts(round_timeout=round_timeout, resend_after=resend_after, optional_timeout=optional_timeout)
        self._program: Any = None
        self._request: Exchange | None = None  # of the present round
        self._acted = False  # the next tick resumes the program after its Act
        self._interruption, self._declined = '', False
        self.acted, self._thrown = False, 0  # in this step: whether the agent has acted, number of exceptions
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
        """Number of messages dropped so far; `mailbox.dropped` has the reasons."""
        return self.mailbox.dropped.total()

    @property
    def lost(self) -> list[str]:
        """Names of the neighbours that did not answer in a round and have not sent a message since."""
        return self._others.lost

    @property
    def left_out(self) -> frozenset[int]:
        """Lost neighbours without which this step is done."""
        return self._others.left_out

    @property
    def cut(self) -> frozenset[Edge]:
        """Edges of the network without which this step is done."""
        return self._links.cut

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
            round_timeout: see the class [s].
            resend_after: see the class [s].
            optional_timeout: see the class [s].
        """
        self._round_timeout, self._optional_timeout = round_timeout, optional_timeout
        self._outbox.resend_after = resend_after

    def open(self, run: int, step: int, now: float) -> None:
        """Move to a control step, and drop messages of earlier ones."""
        self._others.begin_step((run, step))
        self._links.begin_step(run, step, self.left_out)
        self.mailbox.now = (run, step, 0)
        self._together = now + self._round_timeout
        self._interruption = ''
        self.acted, self._thrown = False, 0

    def begin(self, program: Any, now: float, deadline: float = math.inf) -> list[Event]:
        """Start the program of the step that was opened.

        Args:
            program: generator of exchanges and at most one Act.
            now: present time [s].
            deadline: time until which the program should act [s]; after it the engine raises DeadlineReached in the
                program.
        """
        self._program, self._deadline, self._declined = program, deadline, False
        events = self._tell_links(self._links.audience)
        self._resume(program.send, None, events, now)
        return self._proceed(events, now)

    def receive(self, envelope: Envelope, now: float) -> list[Event]:
        """Process a message of a neighbour."""
        present = (envelope.run, envelope.step)
        if envelope.kind in (GIVEN_UP, OUT_OF_TIME) and envelope.sender in self.neighbours:
            self._others.hear_frame(envelope.sender, envelope.kind, present)
            return self._proceed([], now)
        if envelope.kind == LINKS:
            return self._proceed(self._hear_of_links(envelope), now)
        if present >= self.mailbox.now[:2]:
            self._others.hear(envelope.sender)
        if present in (self.mailbox.now[:2], (self.mailbox.now[0], self.mailbox.now[1] + 1)):
            self._outbox.confirm(envelope.sender, (*present, envelope.round))
        self.mailbox.put(envelope)
        return self._proceed([], now)

    def tick(self, now: float) -> list[Event]:
        """Continue after an Act, resend messages, and end waits that are overdue."""
        events: list[Event] = []
        if self._acted:
            self._acted = False
            self._resume(self._program.send, None, events, now)
        if now >= self._outbox.resend_at:
            events.extend(self._outbox.resend(now))
        return self._proceed(events, now)

    def interrupt(self, reason: str, now: float) -> list[Event]:
        """Make the program give up the step at its next exchange."""
        self._interruption = reason
        return self._proceed([], now)

    def decline(self, run: int, step: int, now: float) -> list[Event]:
        """Tell the neighbours not to wait for this agent in a step in which it takes no part."""
        self.open(run, step, now)
        self._declined = True
        return self._outbox.frames(GIVEN_UP, self.mailbox.now, self.neighbours)

    def _hear_of_links(self, envelope: Envelope) -> list[Event]:
        """Take a message about links, pass news on, and answer a neighbour that does not need the news.

        An answer is empty and has the stamp of the question: it shows that this agent is there, also on an edge that no
        program uses. An agent that takes no part in the step says nothing.
        """
        sender, size = envelope.sender, envelope.data.size
        if (envelope.run, envelope.step) >= self.mailbox.now[:2]:
            self._others.see(sender)
        if not size:
            return []
        if reason := self._links.misfit(envelope.run, sender, envelope.data):
            self.mailbox.dropped[reason] += 1
            return []
        told = self._links.take(sender, envelope.data)
        if self._declined:
            return []
        answer = self._outbox.frames(LINKS, (envelope.run, envelope.step, 0), [] if sender in told else [sender])
        return [*self._tell_links(told), *answer]

    def _tell_links(self, receivers: Iterable[int]) -> list[Event]:
        return self._outbox.frames(LINKS, (*self.mailbox.now[:2], 0), receivers, self._links.message)

    def _proceed(self, events: list[Event], now: float) -> list[Event]:
        """Resume the program while its messages are complete, or cannot become complete."""
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
        except BaseException:  # such as KeyboardInterrupt: a generator that raised cannot be resumed
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
        """Raise the failure of the round in the program, and notify the neighbours if the program ends.

        If an agent acts at its deadline on the iterate that it has, its neighbours can do the same. Otherwise the step
        fails for them, too.
        """
        answer: list[Event] = []
        self._thrown += 1
        if self._thrown > _THROWN:
            self._refuse(f'continues to exchange messages although {reason}')
        self._resume(self._program.throw, reason, answer, now)
        in_time = isinstance(reason, DeadlineReached) and any(
            isinstance(event, Acted) and not event.fallback for event in answer
        )
        if self._request is None:
            frame = OUT_OF_TIME if in_time else GIVEN_UP
            events.extend(self._outbox.frames(frame, self.mailbox.now, self.neighbours))
        events.extend(answer)

    def _inbox(self, request: Exchange, now: float) -> Inbox | None:
        """Messages of the present round; None while the engine must wait for a missing one."""
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
        """Failure if the deadline to act has passed; neighbours that were silent in the whole step count as lost."""
        if now < self._deadline:
            return None
        names = self._others.lose_silent(self._missing(request))
        return DeadlineReached(f'out of time in round {self.rounds}' + (f': nothing from {names}' if names else ''))

    def _hopeless(self, request: Exchange, now: float) -> ExchangeTimeout | None:
        """Failure if waiting for the missing messages of this round is pointless; None while they may still arrive."""
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
