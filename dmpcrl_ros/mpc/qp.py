# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Quadratic programme of one evaluation of a controller.

Soft bounds need no slack variables: an exact penalty w on the violation of a bound is the box [0, w] on its multiplier.
The active-set solver (daqp) handles such boxes, apart from a curvature of 1e-7 in the slack. It keeps its factorisation
while only the linear term changes, as between two iterations of ADMM.
"""

import daqp
import numpy as np

from dmpcrl_ros.mpc.programme import QpData, QpSolution
from dmpcrl_ros.mpc.solver import (
    ATTEMPTS,
    EQUALITY,
    KKT_TOLERANCE,
    SETTINGS,
    SLACK_CURVATURE,
    SLACK_USED,
    SOFT,
    QpFailure,
    held,
    misplaced,
    reason,
    setup_failure,
)


class SoftBoundedQp:
    """Solves one QpData for many linear terms, with some variables fixed at values that change between calls.

    Soft rows on fixed variables are constant: the solver does not get them, and their slack and multiplier have a
    closed form.

    Args:
        data: the programme. Its Hessian plus `curvature` must be positive definite where A v = 0.
        fixed: indices of the fixed variables.
        curvature: (n,) added to the diagonal of the Hessian (the augmented Lagrangian's rho). If it is all zero, the
            square of the residual A v - b is added instead: it makes the Hessian positive definite where it is so only
            on A v = 0. It vanishes at the solution and does not change the multipliers.
    """

    def __init__(self, data: QpData, fixed: np.ndarray, curvature: np.ndarray):
        self._data, self._fixed = data, fixed
        self._n, m = len(data.linear), len(data.equality_value)
        n = self._n
        self._free_rows = ~np.isin(data.soft, fixed)
        self._hessian = data.hessian + np.diag(curvature)
        hessian, self._shift = self._hessian, None
        if not curvature.any():
            hessian = hessian + data.equality.T @ data.equality
            self._shift = data.equality.T @ data.equality_value
        rows = data.soft[self._free_rows]
        self._upper = np.concatenate([data.upper, data.equality_value])
        self._lower = np.concatenate([data.lower, data.equality_value])
        self._upper[rows], self._lower[rows] = data.soft_upper[self._free_rows], data.soft_lower[self._free_rows]
        sense = np.zeros(n + m, dtype=np.int32)
        sense[rows] = SOFT
        sense[fixed] = sense[n:] = EQUALITY
        self._upper[fixed] = self._lower[fixed] = 0.0
        self._is_free = np.ones(n, dtype=bool)
        self._is_free[fixed] = False
        self._penalty = np.full(n, np.inf)
        self._penalty[rows] = data.penalty[self._free_rows]
        self._rows, self._has_slack = rows, False
        weight = np.zeros(n + m)
        weight[rows] = data.penalty[self._free_rows]
        reciprocal = np.full(n + m, 1.0 / SLACK_CURVATURE)
        if (data.soft_lower > data.soft_upper).any():
            raise QpFailure('a learned lower state bound lies above the upper one')
        if (data.penalty < 0.0).any():
            raise QpFailure('a learned weight of constraint violation is negative')
        self._matrices, self._sense, self._weights = (hessian, data.equality), sense, (reciprocal, weight)
        self._factorise(data.linear, sense)

    def _factorise(self, linear: np.ndarray, sense: np.ndarray) -> None:
        """Set up the solver, without the active set of earlier calls."""
        hessian, equality = self._matrices
        self._model = daqp.Model()
        self._model.settings = SETTINGS
        flag, _ = self._model.setup(hessian, linear, equality, self._upper, self._lower, sense)
        if flag < 0:
            raise setup_failure(flag)
        reciprocal, weight = self._weights
        self._model.soft_weights(rho_l=reciprocal, rho_u=reciprocal, w_l=weight, w_u=weight)

    def fix(self, values: np.ndarray, equality_value: np.ndarray) -> None:
        """Fix the fixed variables at these values, and A v.

        Args:
            values: of the fixed variables.
            equality_value: b (m,), in place of that of the data.

        Raises:
            QpFailure: a value is not finite.
        """
        if not np.isfinite(values).all():
            raise QpFailure('the state or action is not finite')
        self._values, self._equality_value = values, equality_value
        self._upper[self._fixed] = self._lower[self._fixed] = values
        self._upper[self._n :] = self._lower[self._n :] = equality_value
        if self._shift is not None:
            self._shift = self._data.equality.T @ equality_value
        self._model.update(bupper=self._upper, blower=self._lower, sense=self._sense)  # forgets the active set:
        # with other bounds, daqp can keep a soft row at the end of its multiplier's box although it is not violated

    def solve(self, linear: np.ndarray) -> np.ndarray:
        """Minimiser v (n,) for the linear term `linear` (n,) in place of the data's own.

        Raises:
            QpFailure: no solution.
        """
        self._linear = linear
        self._model.update(f=self._shifted())
        self._primal, _, flag, info = self._model.solve()
        if flag <= 0:  # a warm start may cycle although a cold one does not
            return self._solve_afresh()
        self._dual = info['lam']
        had_slack, self._has_slack = self._has_slack, flag == SLACK_USED
        if (had_slack or self._has_slack) and self._misplaced().any():
            return self._solve_afresh()
        return self._primal

    def _shifted(self) -> np.ndarray:
        return self._linear if self._shift is None else self._linear - self._shift

    def _misplaced(self) -> np.ndarray:
        rows = self._rows
        return misplaced(
            self._primal[rows], self._dual[rows], self._lower[rows], self._upper[rows], self._penalty[rows]
        )

    def _solve_afresh(self) -> np.ndarray:
        """Solve without the active set of earlier calls. Rows that the solver still misplaces become hard."""
        rows, hard = self._rows, np.zeros(len(self._rows), dtype=bool)
        for _ in range(ATTEMPTS):
            sense = self._sense.copy()
            sense[rows[hard]] = 0
            self._factorise(self._shifted(), sense)
            self._primal, _, flag, info = self._model.solve()
            if flag <= 0:
                raise QpFailure(reason(flag))
            self._dual, self._has_slack = info['lam'], flag == SLACK_USED
            before, hard = hard, held(hard, self._misplaced(), self._dual[rows], self._penalty[rows])
            if (hard == before).all():
                break
        if hard.any():
            self._factorise(self._shifted(), self._sense)  # all are soft again for the next linear term
        return self._primal

    def solution(self) -> QpSolution:
        """Multipliers and slack of the last solution.

        Raises:
            QpFailure: the solution violates the optimality conditions by more than the tolerance.
        """
        data, n = self._data, len(self._data.linear)
        tolerance = KKT_TOLERANCE * (1.0 + np.abs(self._linear).max())
        residual = self._kkt_residual()
        if not residual <= tolerance:
            self._solve_afresh()
            residual = self._kkt_residual()
        if not residual <= tolerance:
            raise QpFailure(f'the solution misses the optimality conditions by {residual:.1e}')
        v, bound, rows = self._primal.copy(), self._dual[:n].copy(), data.soft
        v[self._fixed] = self._values  # exact: rounding must not decide whether a state on its bound violates it
        above, below = v[rows] - data.soft_upper, data.soft_lower - v[rows]
        constant = data.penalty * ((above > 0.0).astype(float) - (below > 0.0))
        dual = np.where(self._free_rows, bound[rows], constant)
        bound[rows[self._free_rows]] = 0.0
        return QpSolution(
            v,
            np.maximum(np.maximum(above, below), 0.0),
            self._dual[n:].copy(),
            bound,
            np.maximum(-dual, 0.0),
            np.maximum(dual, 0.0),
            residual,
        )

    def _kkt_residual(self) -> float:
        """Largest violation of stationarity, of the equalities, and of the optimality of each bound.

        A multiplier is the projection of itself plus the violation on [0, penalty + curvature x violation]; the penalty
        of a hard bound is infinite.
        """
        v, (bound, dual_equality) = self._primal, np.split(self._dual, [len(self._primal)])
        data, free = self._data, self._is_free
        stationarity = self._hessian @ v + self._linear + bound + data.equality.T @ dual_equality
        feasibility = data.equality @ v - self._equality_value
        n = len(v)
        above, below = (v - self._upper[:n])[free], (self._lower[:n] - v)[free]
        upper, lower, penalty = np.maximum(bound, 0.0)[free], np.maximum(-bound, 0.0)[free], self._penalty[free]
        at_upper = upper - np.clip(upper + above, 0.0, penalty + SLACK_CURVATURE * np.maximum(above, 0.0))
        at_lower = lower - np.clip(lower + below, 0.0, penalty + SLACK_CURVATURE * np.maximum(below, 0.0))
        return float(max(np.abs(part).max(initial=0.0) for part in (stationarity, feasibility, at_upper, at_lower)))
