# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Local updates of ADMM: the programme of an agent with the terms of the augmented Lagrangian."""

import numpy as np

from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.programme import QpData, QpSolution
from dmpcrl_ros.mpc.qp import SoftBoundedQp


class AugmentedProgramme:
    """One QpData, solved again and again for one evaluation at a time, with terms of ADMM on its first variables.

    Args:
        problem: of the agent; places of the state and of the first input.
        data: the programme at one theta.
        rho: penalty of the augmented Lagrangian.
        n_consensus: number of the variables that the neighbours share; 0 without neighbours.

    Raises:
        QpFailure: the programme is not convex, or contradicts itself.
    """

    def __init__(self, problem: ParametricProblem, data: QpData, rho: float, n_consensus: int):
        self._data, self._n_consensus = data, n_consensus
        self._curvature = np.zeros(len(data.linear))
        self._curvature[:n_consensus] = rho
        self._state, self._action = problem.state, problem.action
        self._policy_qp = SoftBoundedQp(data, self._state, self._curvature)
        self._action_qp: SoftBoundedQp | None = None

    def begin(self, data: QpData, state: np.ndarray, action: np.ndarray | None = None) -> None:
        """Start an evaluation.

        Args:
            data: the same programme; its linear terms belong to this evaluation.
            state: s (n_x,).
            action: first input (n_u,); None leaves it free.

        Raises:
            QpFailure: the state or the action is not finite.
        """
        if action is None:
            self._qp, values = self._policy_qp, state
        else:
            if self._action_qp is None:
                fixed = np.concatenate([self._state, self._action])
                self._action_qp = SoftBoundedQp(self._data, fixed, self._curvature)
            self._qp, values = self._action_qp, np.concatenate([state, action])
        self._linear = data.linear.copy()
        self._base = self._linear[: self._n_consensus].copy()
        self._qp.fix(values, data.equality_value)

    def solve(self, linear: np.ndarray | float = 0.0) -> np.ndarray:
        """Own trajectory and copies (n_consensus,) that minimise `objective + linear'x + rho/2 |x|^2`.

        Raises:
            QpFailure: there is no solution.
        """
        self._linear[: self._n_consensus] = self._base + linear
        return self._qp.solve(self._linear)[: self._n_consensus]

    def solution(self) -> QpSolution:
        """Primal-dual solution of the last solve.

        Raises:
            QpFailure: it violates the optimality conditions.
        """
        return self._qp.solution()
