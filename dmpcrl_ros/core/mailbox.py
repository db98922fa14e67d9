# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Messages of the neighbours that have not been used yet, by (run, step, round). Independent of ROS."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

_CAPACITY = 256  # rounds of one neighbour for which messages are kept; neighbours are at most a few rounds ahead
_CANDIDATES = 4  # messages kept for one round, so that a wrong one cannot displace the right one


@dataclass(slots=True, eq=False)
class Envelope:
    """One message of one round. `data` has two dimensions; a vector is a column."""

    run: int
    step: int
    round: int
    sender: int
    kind: str
    data: np.ndarray


class Mailbox:
    """Keeps the messages that fit, and counts the others by reason in `dropped`.

    A neighbour may be ahead: in a later round, in the next step, or in a new run after a reset. Its messages are kept
    until they are due. Messages of the past are dropped.

    Args:
        neighbours: indices of the agents that may write.
    """

    def __init__(self, neighbours: Iterable[int]):
        self._waiting: dict[int, dict[tuple[int, int, int], list[Envelope]]] = {j: {} for j in neighbours}
        self._now = (0, 0, 0)
        self.dropped: Counter[str] = Counter()

    @property
    def now(self) -> tuple[int, int, int]:
        """(run, step, round) of the exchange that is due; set it to advance."""
        return self._now

    @now.setter
    def now(self, stamp: tuple[int, int, int]) -> None:
        self._now = stamp
        for waiting in self._waiting.values():
            for late in [key for key in waiting if key < stamp]:
                self.dropped['late'] += len(waiting.pop(late))

    @property
    def kept(self) -> int:
        """Number of messages that are kept until they are due."""
        return sum(len(candidates) for waiting in self._waiting.values() for candidates in waiting.values())

    def put(self, envelope: Envelope) -> None:
        """Keep a message, or count the reason to drop it."""
        waiting = self._waiting.get(envelope.sender)
        key = (envelope.run, envelope.step, envelope.round)
        if waiting is None:
            self.dropped['unknown sender'] += 1
        elif not np.isfinite(envelope.data).all():
            self.dropped['not finite'] += 1
        elif key < self._now:
            self.dropped['late'] += 1
        elif any(_form(other) == _form(envelope) for other in waiting.get(key, ())):
            self.dropped['duplicate'] += 1
        elif len(waiting.get(key, ())) >= _CANDIDATES or not self._room(waiting, key):
            self.dropped['too many'] += 1
        else:
            waiting.setdefault(key, []).append(envelope)

    def holds(self, kind: str, sender: int, shape: tuple[int, ...]) -> bool:
        """Whether a neighbour's message of the present round has arrived.

        Messages of another kind or shape are dropped.
        """
        shape = shape if len(shape) == 2 else (*shape, 1)
        candidates = self._waiting[sender].get(self._now)
        if not candidates:
            return False
        for envelope in [c for c in candidates if _form(c) != (kind, shape)]:
            candidates.remove(envelope)
            self.dropped['other kind' if envelope.kind != kind else 'wrong size'] += 1
        return bool(candidates)

    def take(self, kind: str, expects: Mapping[int, tuple[int, ...]]) -> dict[int, np.ndarray] | None:
        """Messages of the present round; None while one is missing.

        Messages of another kind or shape than expected are dropped and counted.
        """
        for sender, shape in expects.items():
            if not self.holds(kind, sender, shape):
                return None
        return {
            sender: self._waiting[sender].pop(self._now)[0].data.reshape(shape) for sender, shape in expects.items()
        }

    def missing(self, expects: Iterable[int]) -> list[int]:
        """Senders whose message of the present round is missing."""
        return [sender for sender in expects if not self._waiting[sender].get(self._now)]

    def _room(self, waiting: dict[tuple[int, int, int], list[Envelope]], key: tuple[int, int, int]) -> bool:
        """Whether a message can be kept. The one due last is dropped first: a stamp far ahead is likely wrong."""
        if key in waiting or len(waiting) < _CAPACITY:
            return True
        last = max(waiting)
        if last > key:
            self.dropped['too many'] += len(waiting.pop(last))
        return last > key


def _form(envelope: Envelope) -> tuple[str, tuple[int, ...]]:
    return envelope.kind, envelope.data.shape
