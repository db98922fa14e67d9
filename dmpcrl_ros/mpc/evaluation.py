# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One agent's part of V(s) and Q(s, a) of the network, by ADMM."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic

import numpy as np

from dmpcrl_ros.core.exchange import Protocol
from dmpcrl_ros.mpc.admm import Admm, AdmmReport
from dmpcrl_ros.mpc.interface import LocalUpdates, Mpc, SolutionT
from dmpcrl_ros.mpc.solver import QpFailure


@dataclass(frozen=True)
class Evaluation(Generic[SolutionT]):
    """One agent's part of V(s) or Q(s, a).

    Args:
        solution: of its problem; None after a failure.
        value: its part of the value.
        report: of ADMM.
    """

    solution: SolutionT | None
    value: float
    report: AdmmReport

    @property
    def failure(self) -> str:
        """Reason why the local problem failed; empty after success."""
        return self.report.failure


def evaluate(
    mpc: Mpc[SolutionT],
    admm: Admm,
    state: np.ndarray,
    action: np.ndarray | None = None,
    exogenous: np.ndarray | None = None,
) -> Protocol[Evaluation[SolutionT]]:
    """V(state) or, with an action, Q(state, action), by ADMM (Algorithm 1 of paper 001).

    Args:
        mpc: problem of the agent.
        admm: its coordination with the neighbours.
        state: (n_x,).
        action: first input (n_u,); None leaves it free.
        exogenous: (n_d,); None for zeros.
    """
    return (yield from solve_by_admm(mpc, admm, lambda: mpc.begin(state, action, exogenous=exogenous)))


def solve_by_admm(
    programme: LocalUpdates[SolutionT], admm: Admm, begin: Callable[[], None]
) -> Protocol[Evaluation[SolutionT]]:
    """Evaluation of a programme by ADMM.

    Args:
        programme: of the agent.
        admm: its coordination with the neighbours.
        begin: starts the evaluation of the programme. After a QpFailure the agent takes part in the rounds all the
            same.
    """
    solve: Callable[[np.ndarray], np.ndarray] = programme.solve
    try:
        begin()
    except QpFailure as failure:
        solve = _always_raise(failure)
    report = yield from admm.run(solve)
    if report.failure:
        return Evaluation(None, 0.0, report)
    try:
        solution = programme.solution()
    except QpFailure as failure:
        return Evaluation(None, 0.0, replace(report, failure=str(failure)))
    return Evaluation(solution, programme.value(solution) + report.correction, report)


def _always_raise(failure: QpFailure) -> Callable[[np.ndarray], np.ndarray]:
    def solve(linear: np.ndarray) -> np.ndarray:
        raise failure

    return solve
