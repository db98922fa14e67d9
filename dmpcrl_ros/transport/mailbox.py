"""What has arrived from the neighbours and not been used yet, by (run, step, round). Knows nothing of ROS."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

_CAPACITY = 256  # messages kept of one neighbour; neighbours are at most a few rounds ahead


@dataclass(frozen=True)
class Envelope:
    """One message of one round. `data` has two dimensions; a vector is a column."""

    run: int
    step: int
    round: int
    sender: int
    kind: str
    data: np.ndarray


class Mailbox:
    """Keeps what fits and counts what does not, by reason, in `dropped`.

    A neighbour may be ahead (in a later round, in the next step, or in a new run after a reset); what it sends then is
    kept until it is due. What is past is dropped.

    Args:
        neighbours: indices of the agents that may write.
    """

    def __init__(self, neighbours: Iterable[int]):
        self._waiting: dict[int, dict[tuple[int, int, int], Envelope]] = {j: {} for j in neighbours}
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
                del waiting[late]
                self.dropped['late'] += 1

    def put(self, envelope: Envelope) -> None:
        """Keep a message, or count why not."""
        waiting = self._waiting.get(envelope.sender)
        key = (envelope.run, envelope.step, envelope.round)
        if waiting is None:
            self.dropped['stranger'] += 1
        elif not np.isfinite(envelope.data).all():
            self.dropped['not finite'] += 1
        elif key < self._now:
            self.dropped['late'] += 1
        elif key in waiting:
            self.dropped['duplicate'] += 1
        elif len(waiting) >= _CAPACITY:
            self.dropped['too many'] += 1
        else:
            waiting[key] = envelope

    def take(self, kind: str, expects: Mapping[int, tuple[int, ...]]) -> dict[int, np.ndarray] | None:
        """The messages of the round that is due, or None while one is missing.

        A message of another kind or shape than expected is dropped and counted, and the right one waited for.
        """
        for sender, shape in expects.items():
            envelope = self._waiting[sender].get(self._now)
            if envelope is None:
                return None
            if envelope.kind != kind or envelope.data.shape != (shape if len(shape) == 2 else (*shape, 1)):
                del self._waiting[sender][self._now]
                self.dropped['other kind' if envelope.kind != kind else 'wrong size'] += 1
                return None
        return {sender: self._waiting[sender].pop(self._now).data.reshape(shape) for sender, shape in expects.items()}

    def missing(self, expects: Iterable[int]) -> list[int]:
        """Who has not written for the round that is due."""
        return [sender for sender in expects if self._now not in self._waiting[sender]]
