# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""All agents in one process, in virtual time, with faults of their messages.

Every agent has the round engine of the ROS driver. Messages and timers are events of a heap. Computing takes no time,
and a message without a fault takes `latency`. So every run can be replayed, and a timeout takes no real time.
"""

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import Acted, Done, Event, Send
from dmpcrl_ros.core.exchange import Act, ProgramError
from dmpcrl_ros.core.link_state import LinkState
from dmpcrl_ros.core.mailbox import Envelope
from dmpcrl_ros.simulation.lockstep import StepOutcome
from dmpcrl_ros.testing.fault_plan import FaultPlan, corrupt

_RUN = 1


class VirtualTimeNetwork:
    """Drives the programs of all agents through one control step with each call.

    Agents need not be in the same round or end together. A step begins two latencies after all agents have ended the
    former one: one for the actions, one for the states.

    Args:
        plan: the faults. Its delays are in units of `delay_rounds` latencies.
        neighbours: of every agent, by index.
        latency: of a message [s].
        round_timeout: time after which a round fails [s].
        patient_rounds: number of rounds at the start of a step with twice this timeout; see RoundEngine.
        resend_after: time without progress after which an agent sends again what its neighbours may lack [s]; infinite
            for never.
        optional_timeout: longest wait for the optional senders of a round [s].
        deadline: time from the start of a step until which agents must act [s]; may change between steps.
        leave_out_lost: whether agents continue without lost neighbours.
    """

    def __init__(
        self,
        plan: FaultPlan,
        neighbours: Sequence[Sequence[int]],
        *,
        latency: float = 1.0,
        round_timeout: float = 10.0,
        patient_rounds: float = math.inf,
        resend_after: float = math.inf,
        optional_timeout: float = 5.0,
        deadline: float = math.inf,
        leave_out_lost: bool = False,
    ):
        self.engines = [
            RoundEngine(
                agent,
                each,
                round_timeout=round_timeout,
                patient_rounds=patient_rounds,
                resend_after=resend_after,
                optional_timeout=optional_timeout,
                leave_out_lost=leave_out_lost,
                links=LinkState.of_cycles(agent, neighbours) if leave_out_lost else None,
            )
            for agent, each in enumerate(neighbours)
        ]
        self.lost: list[tuple[int, int, int, int, str]] = []  # sender, receiver, step, round, kind
        self.acted_at: list[float] = [math.nan] * len(self.engines)  # s after the start of the last step
        self.now, self.deadline = 0.0, deadline
        self._plan, self._latency = plan, latency
        self._step, self._order = -1, count()
        self._attempts: Counter[tuple[int, int, int, int, str]] = Counter()
        self._on_the_way: list[tuple[float, bool, int, int, int, Envelope]] = []  # a heap; see _post

    @property
    def timeouts(self) -> int:
        """Number of rounds that failed because a message was missing."""
        return sum(engine.timeouts for engine in self.engines)

    def __call__(self, programs: Sequence[Any]) -> StepOutcome:
        """Drive all programs to their ends.

        Returns:
            Acts and reports in the order of the agents, and the number of rounds that the first agent completed.

        Raises:
            ExchangeTimeout: a program does not handle it.
        """
        if self._step >= 0:
            self._pass(2.0 * self._latency)
        self._step += 1
        self._attempts.clear()
        self._acts: list[Act | None] = [None] * len(programs)
        self._reports: list[Any] = [None] * len(programs)
        self._running = set(range(len(programs)))
        self._started = self.now
        for engine in self.engines:
            engine.open(_RUN, self._step, self.now)
        for agent, (engine, program) in enumerate(zip(self.engines, programs, strict=True)):
            self._handle(agent, engine.begin(program, self.now, self.now + self.deadline))
        while self._running:
            self._advance()
        for agent, (act, report) in enumerate(zip(self._acts, self._reports, strict=True)):
            if act is None and isinstance(report, StepReport):
                raise ProgramError(f'the program of agent {agent} ended its step without an action')
        return StepOutcome([act for act in self._acts if act], self._reports, self.engines[0].rounds)

    def _pass(self, duration: float) -> None:
        """Advance the time between two steps: messages arrive and are sent again."""
        until = self.now + duration
        while self._next_event() <= until:
            self._advance()
        self.now = until

    def _next_event(self) -> float:
        """Time of the next message or timer."""
        timer = min(engine.wake_at for engine in self.engines)
        return min(timer, self._on_the_way[0][0]) if self._on_the_way else timer

    def _advance(self) -> None:
        """Advance to the next message or timer, messages first."""
        timer = min(engine.wake_at for engine in self.engines)
        message = self._on_the_way[0][0] if self._on_the_way else math.inf
        if min(timer, message) == math.inf:
            raise RuntimeError(
                f'agents {sorted(self._running)} wait forever: no message is on its way, and no timeout is set'
            )
        self.now = max(self.now, min(timer, message))
        if message <= timer:
            *_, sender, receiver, envelope = heapq.heappop(self._on_the_way)
            if envelope.sender == sender:
                self._handle(receiver, self.engines[receiver].receive(envelope, self.now))
            else:
                self.engines[receiver].mailbox.dropped['unknown sender'] += 1
        else:
            for agent, engine in enumerate(self.engines):
                if engine.wake_at <= self.now:
                    self._handle(agent, engine.tick(self.now))

    def _handle(self, agent: int, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Send):
                self._post(event.receiver, event.envelope)
            elif isinstance(event, Acted):
                self._acts[agent] = Act(event.action, event.fallback)
                self.acted_at[agent] = self.now - self._started
            elif isinstance(event, Done):
                self._reports[agent] = event.report
                self._running.discard(agent)

    def _post(self, receiver: int, envelope: Envelope) -> None:
        """Schedule the copies of a message by their times of arrival; of equal times, reordered ones come last."""
        stamp = (envelope.sender, receiver, envelope.step, envelope.round, envelope.kind)
        copies = self._plan.copies(*stamp, attempt=self._attempts[stamp])
        self._attempts[stamp] += 1
        if not copies:
            self.lost.append(stamp)
        for copy in copies:
            latencies = 1 + math.ceil(copy.delay * self._plan.delay_rounds) + copy.reordered
            heapq.heappush(
                self._on_the_way,
                (
                    self.now + latencies * self._latency,
                    copy.reordered,
                    next(self._order),
                    envelope.sender,
                    receiver,
                    corrupt(envelope, copy.corruption),
                ),
            )
