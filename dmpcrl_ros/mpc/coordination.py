# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Coordination of the evaluations of a network: what a method asks for, and what it gets.

All evaluations of a step, and the sums and flags that belong to them, travel in the same rounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dmpcrl_ros.core.spanning_tree import UNKNOWN
from dmpcrl_ros.mpc.condensed import CondensedQp
from dmpcrl_ros.mpc.programme import QpData, QpSolution


class Request(NamedTuple):
    """One evaluation: V(state) or, with an action, Q(state, action).

    Args:
        qp: of the agent at its parameters.
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

    Args:
        answers: by the names of the requests.
        sums: over all agents (n_s,).
        maxima: over all agents (n_m,).
        rounds: number of rounds.
        change: largest change of any agent in the last agreed round, the same float at every agent.
        certified: whether it is within the tolerance: all agents have the solution of the whole network.
        late: reason of an end before that, at the deadline; empty otherwise.
    """

    answers: Mapping[str, Answer]
    sums: np.ndarray
    maxima: np.ndarray
    rounds: int
    change: float = UNKNOWN
    certified: bool = False
    late: str = ''
