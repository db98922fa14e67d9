# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Sent messages that neighbours may lack, to send them again."""

import math
from collections import deque
from collections.abc import Iterable

import numpy as np

from dmpcrl_ros.core.events import Event, Send
from dmpcrl_ros.core.exchange import Exchange
from dmpcrl_ros.core.mailbox import Envelope

_RESENDS = 20  # of one round, at most
_KEPT = 16  # rounds kept for one neighbour that does not answer


class Outbox:
    """Makes the envelopes of a round, and repeats them when no answer arrives.

    A neighbour that sends in a round has received all earlier ones. On an edge that is used in one direction only, an
    agent can be several rounds ahead of its neighbour.

    Attributes:
        resend_after: time without a new round after which messages are sent again [s]; infinite for never.

    Args:
        agent: index of the sender.
    """

    def __init__(self, agent: int):
        self._agent = agent
        self.resend_after = math.inf
        self._sent: dict[int, deque[Envelope]] = {}  # by receiver
        self._next = math.inf
        self._left = 0

    @property
    def resend_at(self) -> float:
        """Time at which `resend` is due."""
        return self._next if self._left else math.inf

    def send(self, stamp: tuple[int, int, int], request: Exchange, now: float) -> list[Send]:
        """Envelopes of a round.

        Args:
            stamp: (run, step, round).
            request: of the program.
            now: present time [s].
        """
        messages = [
            Send(receiver, Envelope(*stamp, self._agent, request.kind, _rows(data)))
            for receiver, data in request.outbox.items()
        ]
        for receiver, envelope in messages:
            self._sent.setdefault(receiver, deque(maxlen=_KEPT)).append(envelope)
        self._next, self._left = now + self.resend_after, _RESENDS
        return messages

    def frames(
        self, frame: str, stamp: tuple[int, int, int], receivers: Iterable[int], data: np.ndarray | None = None
    ) -> list[Event]:
        """A control frame to each receiver, most without data; it is not sent again."""
        content = np.zeros((0, 1)) if data is None else data
        return [Send(receiver, Envelope(*stamp, self._agent, frame, content)) for receiver in receivers]

    def confirm(self, neighbour: int, stamp: tuple[int, int, int]) -> None:
        """Forget the messages that a neighbour has, since it has reached the round (run, step, round)."""
        sent = self._sent.get(neighbour)
        while sent and (sent[0].run, sent[0].step, sent[0].round) < stamp:
            sent.popleft()

    def resend(self, now: float) -> list[Send]:
        """Envelopes that neighbours may lack."""
        self._next, self._left = now + self.resend_after, self._left - 1
        return [Send(receiver, envelope) for receiver, sent in self._sent.items() for envelope in sent]


def _rows(data: np.ndarray) -> np.ndarray:
    """Copy with two dimensions: the sender may change its array before the message is used or sent again."""
    return np.array(data if data.ndim == 2 else data.reshape(-1, 1))
