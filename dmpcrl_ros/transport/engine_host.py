# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Driver of the round engines of all agents of one process, on the monotonic clock."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import Acted, Event, Send
from dmpcrl_ros.core.mailbox import Envelope

_DELIVERIES = 256  # in a row, before the node runs its callbacks


@dataclass(frozen=True)
class Hosted:
    """One agent of the process.

    Args:
        engine: that drives its steps.
        send: publishes an envelope to a neighbour in another process.
        acted: called when the action of a step is decided.
        done: called when a step has ended.
    """

    engine: RoundEngine
    send: Callable[[int, Envelope], None]
    acted: Callable[[Acted], None]
    done: Callable[[StepReport], None]


class EngineHost:
    """Carries out the events of the engines.

    Messages between agents of this process are delivered directly, the others go to topics.
    """

    def __init__(self) -> None:
        self._hosted: dict[int, Hosted] = {}
        self._local: deque[tuple[int, Envelope]] = deque()
        self._earliest = math.inf  # before this time no engine is due

    def add(self, hosted: Hosted) -> None:
        """Host an agent."""
        self._hosted[hosted.engine.agent] = hosted

    def deliver(self, agent: int, envelope: Envelope) -> None:
        """Pass an envelope from another process to an agent."""
        self.handle(agent, self._hosted[agent].engine.receive(envelope, time.monotonic()))

    def handle(self, agent: int, events: Sequence[Event]) -> None:
        """Carry out the events of the engine of an agent."""
        hosted = self._hosted[agent]
        for event in events:
            if isinstance(event, Send):
                if event.receiver in self._hosted:
                    self._local.append((event.receiver, event.envelope))
                else:
                    hosted.send(event.receiver, event.envelope)
            elif isinstance(event, Acted):
                hosted.acted(event)
            else:
                hosted.done(event.report)
        self._earliest = min(self._earliest, hosted.engine.wake_at)

    def abandon(self, agent: int, reason: str) -> None:
        """End the step of an agent without further messages of its neighbours."""
        engine = self._hosted[agent].engine
        if not engine.busy:
            return
        self.handle(agent, engine.interrupt(reason, time.monotonic()))
        while engine.busy:
            self.handle(agent, engine.tick(time.monotonic()))

    def run_due(self) -> None:
        """Deliver messages within the process, and wake the engines that are due."""
        for _ in range(_DELIVERIES):
            if self._local:
                receiver, envelope = self._local.popleft()
                self.handle(receiver, self._hosted[receiver].engine.receive(envelope, time.monotonic()))
            elif time.monotonic() >= self._earliest:
                self._wake()
            else:
                return

    def wait(self, longest: float) -> float:
        """Time [s] until something is due, at most `longest`."""
        if self._local:
            return 0.0
        return max(0.0, min(longest, self._earliest - time.monotonic()))

    def _wake(self) -> None:
        """Tick the engines that are due; all actions are handed on before any of the agents learns."""
        now, self._earliest = time.monotonic(), math.inf
        for agent, hosted in self._hosted.items():
            if hosted.engine.wake_at <= now:
                self.handle(agent, hosted.engine.tick(now))
            self._earliest = min(self._earliest, hosted.engine.wake_at)
