"""The one thing a protocol asks of the outside world: an exchange with the neighbours.

Every protocol of this package (ADMM, consensus, evaluation, learning) is a generator that owns no socket, clock or
thread:

    inbox = yield Exchange('copies', outbox={neighbour: array}, expects={neighbour: shape})

The driver sends the outbox, waits for what is expected, and resumes the generator with it. All agents run the same
program, so the rounds of one step pair up by construction.
"""

from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

Result = TypeVar('Result')
Inbox: TypeAlias = Mapping[int, np.ndarray]


class Exchange(NamedTuple):
    """One round: what goes to each neighbour and what shape each neighbour's answer has.

    Arrays are float64 of one or two dimensions. Neighbours may be missing in either mapping: an edge can be used in one
    direction only. The receiver must not keep a reference to an array beyond the round. An inbox may lack neighbours
    that the driver knows to be lost: protocols go on with those who are there.
    """

    kind: str
    outbox: Mapping[int, np.ndarray]
    expects: Mapping[int, tuple[int, ...]]


Protocol: TypeAlias = Generator[Exchange, Inbox, Result]


class ExchangeTimeout(Exception):
    """A neighbour's message did not come in time; raised by the driver inside the waiting protocol."""


class DeadlineReached(ExchangeTimeout):
    """The time of the whole protocol is up: what it has so far is all there will be."""
