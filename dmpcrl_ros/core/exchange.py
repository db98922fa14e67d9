# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Requests of a program to the outside world: an exchange with the neighbours, and the action to be applied.

Every protocol of this package (ADMM, consensus, evaluation, learning) and every control step is a generator that owns
no socket, clock or thread::

    inbox = yield Exchange('copies', outbox={neighbour: array}, expects={neighbour: shape})

The driver sends the outbox, waits for the expected messages, and resumes the generator with them. The rounds of one
step are numbered, so all agents must make the same number of them. An agent without a part in a round yields an empty
exchange.
"""

from collections.abc import Generator, Mapping
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

Result = TypeVar('Result')
Inbox: TypeAlias = Mapping[int, np.ndarray]


class Exchange(NamedTuple):
    """One round: the array for each neighbour, and the shape of each neighbour's answer.

    Arrays are float64 of one or two dimensions. Neighbours may be missing in any mapping: an edge can be used in one
    direction only. The receiver must not keep a reference to an array beyond the round. An inbox may lack neighbours
    that the driver knows to be lost: protocols continue with the others.

    Args:
        kind: name of the exchange, the same at sender and receiver; not that of a control frame (core/events.py).
        outbox: array for each receiver.
        expects: shape of the array that each sender must send.
        optional: shape of the array that each sender may send; it is in the inbox only if it arrives in time.
    """

    kind: str
    outbox: Mapping[int, np.ndarray]
    expects: Mapping[int, tuple[int, ...]]
    optional: Mapping[int, tuple[int, ...]] = {}


class Act(NamedTuple):
    """Action of a control step. The plant may move from here on; the rest of the step is learning.

    Args:
        action: (n_u,), within the action space of the agent.
        fallback: whether the action replaces a fresh decision of the controller.
    """

    action: np.ndarray
    fallback: bool = False


Protocol: TypeAlias = Generator[Exchange, Inbox, Result]


class ExchangeTimeout(Exception):
    """The round cannot be completed; the message says why.

    A neighbour is silent or gave up, or the step was interrupted. The engine raises it inside the waiting program.
    """


class DeadlineReached(ExchangeTimeout):
    """The deadline to act has passed: the program must act on the iterate that it has."""


class ProgramError(RuntimeError):
    """The program of a control step does not act exactly once, or does not end; the message names the agent."""
