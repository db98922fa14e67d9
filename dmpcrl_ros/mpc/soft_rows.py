# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A quadratic programme in few variables with many soft rows."""

from dataclasses import dataclass

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
_BEYOND = 1e-9  # distance from which a soft row is violated


@dataclass(frozen=True)
class SoftRowsSolution:
    """Primal-dual solution.

    Args:
        primal: u (n,).
        dual_bounds: multipliers of the bounds (n,), positive at the upper ones.
        dual_rows: multipliers of the soft rows (r,), positive at the upper bounds.
        kkt_residual: largest violation of the optimality conditions, of rows of norm one.
    """

    primal: np.ndarray
    dual_bounds: np.ndarray
    dual_rows: np.ndarray
    kkt_residual: float


class SoftRowsQp:
    """A quadratic programme with soft rows, whose linear term and bounds change in every call.

    It is::

        minimise 1/2 u'Hu + q'u + penalty' sigma  s.t.  lower <= u <= upper,
        row_lower - sigma <= G u <= row_upper + sigma,  sigma >= 0

    Each call sets up the solver again: with other bounds its factorisation can be stale (see qp.py), and a setup costs
    little with few variables. Rows are scaled to a norm of one: the solver passes over rows of small norm.

    Args:
        hessian: H (n, n), positive definite.
        rows: G (r, n), none of them zero.
        penalty: (r,), not negative.
    """

    def __init__(self, hessian: np.ndarray, rows: np.ndarray, penalty: np.ndarray):
        self._norm = np.linalg.norm(rows, axis=1)
        rows, penalty = rows / self._norm[:, None], penalty * self._norm
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
    ) -> SoftRowsSolution:
        """Minimiser and its multipliers.

        Args:
            linear: q (n,).
            lower: (n,).
            upper: (n,).
            row_lower: (r,); may be infinite.
            row_upper: (r,); may be infinite.

        Raises:
            QpFailure: there is no solution, or it violates the optimality conditions by more than the tolerance.
        """
        row_lower, row_upper = row_lower / self._norm, row_upper / self._norm
        below, above = np.concatenate([lower, row_lower]), np.concatenate([upper, row_upper])
        if not np.isfinite(linear).all() or np.isnan(below).any() or np.isnan(above).any():
            raise QpFailure('the state or action is not finite')
        n, hard = len(linear), np.zeros(len(row_lower), dtype=bool)
        tolerance = KKT_TOLERANCE * (1.0 + np.abs(linear).max())
        for _ in range(ATTEMPTS):
            u, dual = self._solve(linear, below, above, hard)
            residual = self._kkt_residual(u, dual, linear, below, above)
            if residual <= tolerance:
                u, dual, residual = self._refined(u, dual, residual, linear, below, above)
                return SoftRowsSolution(u, dual[:n], dual[n:] / self._norm, residual)
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

    def _refined(
        self, u: np.ndarray, dual: np.ndarray, residual: float, linear: np.ndarray, below: np.ndarray, above: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Solution of the linear equations of the active set, if it meets the conditions better.

        It is without the curvature of the slack. The solver's tolerance is absolute: scaled to the given rows, the
        multiplier of a row of small norm would not be exact enough either.
        """
        n, value = len(u), self._rows @ u
        beyond = np.maximum(value - above[n:], below[n:] - value)
        violated = beyond > _BEYOND
        on_bound = (dual[n:] != 0.0) & ~violated
        held_inputs = (dual[:n] != 0.0) | (below[:n] == above[:n])
        if not dual[n:].any():
            return u, dual, residual
        fixed = np.where(dual[:n] > 0.0, above[:n], below[:n])[held_inputs]
        bound = np.where(dual[n:] > 0.0, above[n:], below[n:])[on_bound]
        force = linear + self._rows[violated].T @ (np.sign(dual[n:]) * self._penalty)[violated]
        rows, free = self._rows[on_bound], ~held_inputs
        size, count = int(free.sum()), len(rows)
        matrix = np.zeros((size + count, size + count))
        matrix[:size, :size] = self._hessian[np.ix_(free, free)]
        matrix[size:, :size], matrix[:size, size:] = rows[:, free], rows[:, free].T
        right = np.concatenate(
            [-force[free] - self._hessian[np.ix_(free, held_inputs)] @ fixed, bound - rows[:, held_inputs] @ fixed]
        )
        try:
            found = np.linalg.solve(matrix, right)
            found += np.linalg.solve(matrix, right - matrix @ found)
        except np.linalg.LinAlgError:
            return u, dual, residual
        refined, of_rows = u.copy(), np.where(violated, np.sign(dual[n:]) * self._penalty, 0.0)
        refined[free], refined[held_inputs], of_rows[on_bound] = found[:size], fixed, found[size:]
        of_bounds = np.where(held_inputs, -(self._hessian @ refined + linear + self._rows.T @ of_rows), 0.0)
        duals = np.concatenate([of_bounds, of_rows])
        exact, raw = (self._kkt_residual(*each, linear, below, above, 0.0) for each in ((refined, duals), (u, dual)))
        return (refined, duals, exact) if exact <= raw else (u, dual, residual)

    def _kkt_residual(
        self,
        u: np.ndarray,
        dual: np.ndarray,
        linear: np.ndarray,
        below: np.ndarray,
        above: np.ndarray,
        curvature: float = SLACK_CURVATURE,
    ) -> float:
        """Largest violation of stationarity and of the optimality of each bound.

        A multiplier is the projection of itself plus the violation on [0, penalty + curvature x violation]; the penalty
        of a hard bound is infinite.
        """
        value = self._all_rows @ u
        parts = [self._hessian @ u + linear + self._all_rows.T @ dual]
        for multiplier, violation in ((np.maximum(dual, 0.0), value - above), (np.maximum(-dual, 0.0), below - value)):
            limit = self._all_penalties + curvature * np.maximum(violation, 0.0)
            parts.append(multiplier - np.clip(multiplier + violation, 0.0, limit))
        return float(max(np.abs(part).max(initial=0.0) for part in parts))
