# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A quadratic programme in few variables with many soft rows."""

import daqp
import numpy as np

from dmpcrl_ros.mpc.solver import (
    ATTEMPTS,
    EQUALITY,
    KKT_TOLERANCE,
    SETTINGS,
    SLACK_CURVATURE,
    SOFT,
    QpFailure,
    held,
    misplaced,
    reason,
)

_ITERATIONS_PER_ROW = 2


class SoftRowsQp:
    """A quadratic programme with soft rows, whose linear term and bounds change in every call.

    It is::

        minimise 1/2 u'Hu + q'u + penalty' sigma  s.t.  lower <= u <= upper,
        row_lower - sigma <= G u <= row_upper + sigma,  sigma >= 0

    Each call sets up the solver again: with other bounds its factorisation can be stale (see qp.py), and a setup costs
    little with few variables.

    Args:
        hessian: H (n, n), positive definite.
        rows: G (r, n), none of them zero.
        penalty: (r,), not negative.
    """

    def __init__(self, hessian: np.ndarray, rows: np.ndarray, penalty: np.ndarray):
        self._hessian, self._rows, self._penalty = hessian, rows, penalty
        r, n = rows.shape
        self._reciprocal = np.full(n + r, 1.0 / SLACK_CURVATURE)
        self._weight = np.concatenate([np.zeros(n), penalty])
        self._all_rows, self._all_penalties = (
            np.vstack([np.eye(n), rows]),
            np.concatenate([np.full(n, np.inf), penalty]),
        )
        self._settings = SETTINGS | {'iter_limit': max(SETTINGS['iter_limit'], _ITERATIONS_PER_ROW * (n + r))}
        self._model = daqp.Model()
        self._model.settings = self._settings

    def solve(
        self, linear: np.ndarray, lower: np.ndarray, upper: np.ndarray, row_lower: np.ndarray, row_upper: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Minimiser u (n,), and its violation of the optimality conditions.

        Args:
            linear: q (n,).
            lower: (n,).
            upper: (n,).
            row_lower: (r,); may be infinite.
            row_upper: (r,); may be infinite.

        Raises:
            QpFailure: there is no solution, or it violates the optimality conditions by more than the tolerance.
        """
        below, above = np.concatenate([lower, row_lower]), np.concatenate([upper, row_upper])
        if not np.isfinite(linear).all() or np.isnan(below).any() or np.isnan(above).any():
            raise QpFailure('the state or action is not finite')
        n, hard = len(linear), np.zeros(len(row_lower), dtype=bool)
        tolerance = KKT_TOLERANCE * (1.0 + np.abs(linear).max())
        for _ in range(ATTEMPTS):
            u, dual = self._solve(linear, below, above, hard)
            residual = self._kkt_residual(u, dual, linear, below, above)
            if residual <= tolerance:
                return u, residual
            distance = misplaced(self._rows @ u, dual[n:], row_lower, row_upper, self._penalty)
            before, hard = hard, held(hard, distance, dual[n:], self._penalty)
            if (hard == before).all():
                break
        raise QpFailure(f'the solution misses the optimality conditions by {residual:.1e}')

    def _solve(
        self, linear: np.ndarray, below: np.ndarray, above: np.ndarray, hard: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solution with some rows hard: u (n,), multipliers of its bounds and of the rows (n + r,)."""
        n = len(linear)
        of_bounds = np.where(below[:n] == above[:n], EQUALITY, 0)
        sense = np.concatenate([of_bounds, np.where(hard, 0, SOFT)]).astype(np.int32)
        flag, _ = self._model.setup(self._hessian, linear, self._rows, above, below, sense)
        if flag < 0:
            raise QpFailure(f'the quadratic programme could not be set up ({reason(flag)})')
        self._model.soft_weights(rho_l=self._reciprocal, rho_u=self._reciprocal, w_l=self._weight, w_u=self._weight)
        u, _, flag, info = self._model.solve()
        if flag <= 0:
            raise QpFailure(reason(flag))
        return u, info['lam']

    def _kkt_residual(
        self, u: np.ndarray, dual: np.ndarray, linear: np.ndarray, below: np.ndarray, above: np.ndarray
    ) -> float:
        """Largest violation of stationarity and of the optimality of each bound.

        A multiplier is the projection of itself plus the violation on [0, penalty + curvature x violation]; the penalty
        of a hard bound is infinite.
        """
        value = self._all_rows @ u
        parts = [self._hessian @ u + linear + self._all_rows.T @ dual]
        for multiplier, violation in ((np.maximum(dual, 0.0), value - above), (np.maximum(-dual, 0.0), below - value)):
            limit = self._all_penalties + SLACK_CURVATURE * np.maximum(violation, 0.0)
            parts.append(multiplier - np.clip(multiplier + violation, 0.0, limit))
        return float(max(np.abs(part).max(initial=0.0) for part in parts))
