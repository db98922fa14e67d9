"""The driver that runs the protocols of all agents in one process while messages are lost, late, duplicated or corrupted.

It does what the ROS driver does, with the same mailbox, in a time that is counted in rounds: a message that nothing
happens to arrives one round after it was sent. So every run can be replayed.
"""

import heapq
import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from dmpcrl_ros.core.exchange import Exchange, ExchangeTimeout, Protocol
from dmpcrl_ros.core.mailbox import Envelope, Mailbox
from dmpcrl_ros.testing.fault_plan import FaultPlan, corrupt

_RUN = 1


class FaultyLockstep:
    """Drives one protocol per agent through the faults of a plan; each call is one control step of one run.

    Agents need not be in the same round, nor end together. One that waits in vain is told so by ExchangeTimeout, in its
    protocol; those that wait for it then wait in vain, too. A step begins when all agents have ended the one before.
    Over ROS 2 one that lacks nothing may begin while another still waits for the last round of learning; the numbers
    are the same, as long as no agent is slower than the timeout.

    Args:
        plan: the faults.
        neighbours: of every agent, by index.
        round_timeout: rounds after which an agent no longer waits for a message; twice of it at the start of a step.
        resend_after: rounds without progress after which an agent sends again what it sent in its last two; 0 never.
    """

    def __init__(self, plan: FaultPlan, neighbours: Sequence[Sequence[int]], round_timeout: int = 10,
                 resend_after: int = 0):
        self.mailboxes = [Mailbox(each) for each in neighbours]
        self.lost: list[tuple[int, int, int, int, str]] = []  # sender, receiver, step, round, kind
        self.timeouts = 0
        self._plan, self._timeout, self._resend_after = plan, round_timeout, resend_after
        self._sent: list[deque[list[tuple[int, Envelope]]]] = [deque(maxlen=2) for _ in neighbours]
        self._quiet_since, self._times = [0] * len(neighbours), Counter()
        self._step, self._time, self._order = -1, 0, count()
        self._on_the_way: list[tuple[int, bool, int, int, int, Envelope]] = []  # a heap; see _post

    def __call__(self, programs: Sequence[Protocol[Any]]) -> tuple[list[Any], int]:
        """Drive all programs to their ends.

        Returns:
            the results in the order of the agents, and the number of rounds that the first agent completed.

        Raises:
            ExchangeTimeout: a program does not handle it.
        """
        self._step += 1
        self._times.clear()
        results: list[Any] = [None] * len(programs)
        waiting: dict[int, tuple[Exchange, int]] = {}  # by agent: for what, and until when
        together = self._time + self._timeout          # see RosDriver.begin_step

        def resume(agent: int, how: Callable[[Any], Exchange], what: Any) -> None:
            try:
                request = how(what)
            except StopIteration as end:
                results[agent] = end.value
                return
            self._send(agent, request)
            waiting[agent] = (request, max(self._time, together) + self._timeout)

        for agent, program in enumerate(programs):
            self.mailboxes[agent].now = (_RUN, self._step, 0)
            resume(agent, program.send, None)
        while waiting:
            self._time += 1
            self._resend()
            self._deliver()
            for agent in sorted(waiting):
                request, deadline = waiting.pop(agent)
                inbox = self.mailboxes[agent].take(request.kind, request.expects)
                if inbox is not None:
                    self._advance(agent)
                    resume(agent, programs[agent].send, inbox)
                elif self._time >= deadline:
                    self.timeouts += 1
                    resume(agent, programs[agent].throw, self._vain(agent, request))
                else:
                    waiting[agent] = (request, deadline)
        return results, self.mailboxes[0].now[2]

    def _advance(self, agent: int) -> None:
        run, step, number = self.mailboxes[agent].now
        self.mailboxes[agent].now = (run, step, number + 1)

    def _vain(self, agent: int, request: Exchange) -> ExchangeTimeout:
        silent = ', '.join(map(str, self.mailboxes[agent].missing(request.expects)))
        return ExchangeTimeout(f'no {request.kind!r} from {silent} in round {self.mailboxes[agent].now[2]}')

    def _send(self, sender: int, request: Exchange) -> None:
        run, step, number = self.mailboxes[sender].now
        messages = [(receiver, Envelope(run, step, number, sender, request.kind, data.reshape(len(data), -1).copy()))
                    for receiver, data in request.outbox.items()]
        self._sent[sender].append(messages)
        self._quiet_since[sender] = self._time
        for receiver, envelope in messages:
            self._post(receiver, envelope)

    def _resend(self) -> None:
        """An agent lacks what its neighbours sent in this round, or the neighbour still lacks that of the round before;
        one that has ended its step may have neighbours that lack its last messages."""
        for sender, sent in enumerate(self._sent):
            if self._resend_after and self._time >= self._quiet_since[sender] + self._resend_after:
                self._quiet_since[sender] = self._time
                for receiver, envelope in [each for messages in sent for each in messages]:
                    self._post(receiver, envelope)

    def _post(self, receiver: int, envelope: Envelope) -> None:
        """Put on the way what arrives of a message, by the time of its arrival; what is reordered comes last then."""
        stamp = (envelope.sender, receiver, envelope.step, envelope.round, envelope.kind)
        copies = self._plan.copies(*stamp, attempt=self._times[stamp])
        self._times[stamp] += 1
        if not copies:
            self.lost.append(stamp)
        for copy in copies:
            due = self._time + 1 + math.ceil(copy.late * self._plan.delay_rounds) + copy.reordered
            heapq.heappush(self._on_the_way, (due, copy.reordered, next(self._order), envelope.sender, receiver,
                                              corrupt(envelope, copy.corruption)))

    def _deliver(self) -> None:
        while self._on_the_way and self._on_the_way[0][0] <= self._time:
            *_, sender, receiver, envelope = heapq.heappop(self._on_the_way)
            if envelope.sender == sender:
                self.mailboxes[receiver].put(envelope)
            else:
                self.mailboxes[receiver].dropped['stranger'] += 1
