# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Coordination of the evaluations of a network: what a method asks for, and what it gets.

All evaluations of a step, and the sums and flags that belong to them, travel in the same rounds.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from dmpcrl_ros.core.exchange import Act, Exchange
from dmpcrl_ros.core.spanning_tree import UNKNOWN
from dmpcrl_ros.mpc.condensed import CondensedQp
from dmpcrl_ros.mpc.programme import QpData, QpSolution


class Request(NamedTuple):
    """One evaluation: V(state) or, with an action, Q(state, action).

    Args:
        qp: of the agent at its parameters; None for ADMM.
        data: the same programme, with the linear terms of this evaluation.
        state: (n_x,).
        action: first input (n_u,); None leaves it free.
        failure: reason why it cannot begin; empty otherwise.
    """

    qp: CondensedQp | None
    data: QpData | None
    state: np.ndarray
    action: np.ndarray | None = None
    failure: str = ''

    @classmethod
    def failed(cls, reason: str) -> 'Request':
        """An evaluation that cannot begin; the agent takes part in its rounds all the same."""
        return cls(None, None, np.zeros(0), None, reason)


@dataclass(frozen=True, kw_only=True)
class CoordinationOptions:
    """When the rounds of a step end.

    Args:
        tolerance: of the changes of the trajectories and multipliers of all agents between two rounds, relative to one
            plus their size.
        rounds: largest number of rounds; 0 for Damping.rounds.
        early: whether agents act one round after the news of each has reached all, before the answer is certified.
    """

    tolerance: float = 1e-9
    rounds: int = 0
    early: bool = False


class Answer(NamedTuple):
    """Outcome of one evaluation at one agent.

    Args:
        solution: of its problem; None after a failure.
        value: of the whole network.
        failure: reason of a failure; empty without one.
    """

    solution: QpSolution | None
    value: float
    failure: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of the rounds of a step at one agent.

    All agents have the same `usable` and `certified`.

    Args:
        answers: by the names of the requests.
        sums: over all agents (n_s,).
        maxima: over all agents (n_m,).
        rounds: number of rounds; of ADMM two for each iteration.
        change: largest change of any agent in the last agreed round; FAILED if an agent has no solution, UNKNOWN if a
            message was missed.
        usable: whether agents may learn from the answers.
        certified: whether all agents have the solution of the whole network, to the tolerance.
        metrics: of the rounds, by their names.
        late: reason of an end before that, at the deadline; empty otherwise.
    """

    answers: Mapping[str, Answer]
    sums: np.ndarray
    maxima: np.ndarray
    rounds: int
    change: float = UNKNOWN
    usable: bool = False
    certified: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    late: str = ''


class Coordination(Protocol):
    """One agent's part of the rounds of a step, whatever the agents tell one another."""

    @property
    def early(self) -> bool:
        """Whether agents act before the answers are certified."""

    @property
    def partial(self) -> bool:
        """Whether a neighbour was missing in the last rounds."""

    def reset(self) -> None:
        """Forget the neighbours: the next evaluations begin without what they told."""

    def run(
        self,
        requests: Mapping[str, Request],
        sums: Sequence[float] = (),
        maxima: Sequence[float] = (),
        early: Callable[[Mapping[str, Answer]], Act] | None = None,
    ) -> Generator[Exchange | Act, Any, Outcome]:
        """Evaluate all requests, and add up and compare numbers over the network.

        Args:
            requests: by names; the same names in the same order at every agent.
            sums: this agent's terms (n_s,).
            maxima: this agent's values (n_m,).
            early: the action for the present answers; None to act at the end.

        Raises:
            ExchangeTimeout: a round fails, or the deadline comes before there are answers.
        """
