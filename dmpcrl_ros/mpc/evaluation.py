# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""V(s) and Q(s, a) of the whole network, as one agent knows them after ADMM."""

from dataclasses import dataclass, replace

import numpy as np

from dmpcrl_ros.core.exchange import Protocol
from dmpcrl_ros.mpc.admm import Admm, AdmmReport
from dmpcrl_ros.mpc.interface import Mpc, Solution
from dmpcrl_ros.mpc.qp import QpFailure


@dataclass(frozen=True)
class Evaluation:
    """One agent's part of V(s) or Q(s, a).

    Args:
        solution: of its problem; None where it failed.
        value: its part of the value.
        report: of ADMM.
    """

    solution: Solution | None
    value: float
    report: AdmmReport

    @property
    def failure(self) -> str:
        """Reason why the local problem failed; empty when it did not."""
        return self.report.failure


def evaluate(
    mpc: Mpc, admm: Admm, state: np.ndarray, action: np.ndarray | None = None, exogenous: np.ndarray | None = None
) -> Protocol[Evaluation]:
    """V(state) or, with an action, Q(state, action), by ADMM (Algorithm 1 of paper 001).

    Args:
        mpc: problem of the agent.
        admm: its coordination with the neighbours.
        state: (n_x,).
        action: first input (n_u,); None leaves it free.
        exogenous: (n_d,); None for zeros.
    """
    try:
        mpc.begin(state, action, exogenous=exogenous)
        solve = mpc.solve
    except QpFailure as failure:
        solve = _always_raise(failure)
    report = yield from admm.run(solve)
    if report.failure:
        return Evaluation(None, 0.0, report)
    try:
        solution = mpc.solution()
    except QpFailure as failure:
        return Evaluation(None, 0.0, replace(report, failure=str(failure)))
    return Evaluation(solution, mpc.value(solution) + report.correction, report)


def _always_raise(failure: QpFailure):
    def solve(linear: np.ndarray) -> np.ndarray:
        raise failure

    return solve
