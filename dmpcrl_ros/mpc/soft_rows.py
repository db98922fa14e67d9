# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A quadratic programme in few variables with many soft rows."""

from dataclasses import dataclass

import daqp
import numpy as np

from dmpcrl_ros.mpc.active_set import ActiveSet, ActiveSetEquations
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
    setup_failure,
)

_ITERATIONS_PER_ROW = 2
_BEYOND = 1e-9  # distance from which a soft row is violated
_AT_PENALTY = 1e-6  # relative to the penalty, up to which a multiplier is equal to it
_EXACT = 1e-12  # residual of a solution of the equations of an active set, relative to the size of the linear term


@dataclass(frozen=True)
class SoftRowsSolution:
    """Primal-dual solution.

    Args:
        primal: u (n,).
        dual_bounds: multipliers of the bounds (n,), positive at the upper ones.
        dual_rows: multipliers of the soft rows (r,), positive at the upper bounds.
        kkt_residual: largest violation of the optimality conditions, of scaled variables and rows.
        active: active bounds.
    """

    primal: np.ndarray
    dual_bounds: np.ndarray
    dual_rows: np.ndarray
    kkt_residual: float
    active: ActiveSet


class SoftRowsQp:
    """A quadratic programme with soft rows, whose linear term and bounds change in every call.

    It is::

        minimise 1/2 u'Hu + q'u + penalty' sigma  s.t.  lower <= u <= upper,
        row_lower - sigma <= G u <= row_upper + sigma,  sigma >= 0

    A call tries the active set of the last one first: where the solution of its equations meets the optimality
    conditions, there is no other. Otherwise the solver is set up again: with other bounds its factorisation can be
    stale (see qp.py), and a setup costs little with few variables. Variables are scaled to a curvature near one, by
    powers of two, which change no digit: the tolerances do not depend on their units. Rows are scaled to a norm of one:
    the solver passes over rows of small norm.

    Args:
        hessian: H (n, n), positive definite.
        rows: G (r, n), none of them zero.
        penalty: (r,), not negative.
        active: active set to try first.
    """

    def __init__(self, hessian: np.ndarray, rows: np.ndarray, penalty: np.ndarray, active: ActiveSet | None = None):
        self._unit = np.exp2(-np.round(0.5 * np.log2(np.maximum(np.diag(hessian), np.finfo(float).tiny))))
        hessian, rows = self._unit[:, None] * hessian * self._unit, rows * self._unit
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
        self._active = active
        self._equations: ActiveSetEquations | None = None

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
        linear, lower, upper = linear * self._unit, lower / self._unit, upper / self._unit
        row_lower, row_upper = row_lower / self._norm, row_upper / self._norm
        below, above = np.concatenate([lower, row_lower]), np.concatenate([upper, row_upper])
        if not np.isfinite(linear).all() or np.isnan(below).any() or np.isnan(above).any():
            raise QpFailure('the state or action is not finite')
        size = 1.0 + np.abs(linear).max()
        found = self._guessed(linear, below, above)
        if found and found[2] <= _EXACT * size:
            return self._scaled(*found)
        u, dual, residual = self._search(linear, below, above, KKT_TOLERANCE * size)
        self._active, self._equations = self._active_set(u, dual, below, above), None
        found = self._guessed(linear, below, above)
        if found and found[2] <= self._kkt_residual(u, dual, linear, below, above, 0.0):
            return self._scaled(*found)
        return self._scaled(u, dual, residual)

    def _guessed(
        self, linear: np.ndarray, below: np.ndarray, above: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float] | None:
        """Solution, multipliers and residual with the active set at hand; None without one, or if it has none."""
        if self._active is None:
            return None
        if not self._equations:
            try:
                self._equations = ActiveSetEquations(self._hessian, self._rows, self._penalty, self._active)
            except np.linalg.LinAlgError:
                return None
        u, dual = self._equations.solve(linear, below, above)
        return u, dual, self._kkt_residual(u, dual, linear, below, above, 0.0)

    def _active_set(self, u: np.ndarray, dual: np.ndarray, below: np.ndarray, above: np.ndarray) -> ActiveSet:
        n, value = len(u), self._rows @ u
        sign, fixed = np.sign(dual), below[:n] == above[:n]
        # The solver leaves rows that are on their bounds a little beyond them: their multipliers are not the penalties.
        beyond = np.maximum(value - above[n:], below[n:] - value) > _BEYOND
        violated = beyond & (np.abs(dual[n:]) >= (1.0 - _AT_PENALTY) * self._penalty)
        return ActiveSet(
            np.where(fixed, 1.0, sign[:n]), np.where(violated, 0.0, sign[n:]), np.where(violated, sign[n:], 0.0)
        )

    def _scaled(self, u: np.ndarray, dual: np.ndarray, residual: float) -> SoftRowsSolution:
        assert self._active
        n = len(u)
        return SoftRowsSolution(u * self._unit, dual[:n] / self._unit, dual[n:] / self._norm, residual, self._active)

    def _search(
        self, linear: np.ndarray, below: np.ndarray, above: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Solution that the solver finds: u (n,), multipliers of its bounds and of the rows (n + r,), residual."""
        n = len(linear)
        hard = np.zeros(len(below) - n, dtype=bool)
        for _ in range(ATTEMPTS):
            u, dual = self._solve(linear, below, above, hard)
            residual = self._kkt_residual(u, dual, linear, below, above)
            if residual <= tolerance:
                return u, dual, residual
            distance = misplaced(self._rows @ u, dual[n:], below[n:], above[n:], self._penalty)
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
            raise setup_failure(flag)
        self._model.soft_weights(rho_l=self._reciprocal, rho_u=self._reciprocal, w_l=self._weight, w_u=self._weight)
        u, _, flag, info = self._model.solve()
        if flag <= 0:
            raise QpFailure(reason(flag))
        return u, info['lam']

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
        over, under = value - above, below - value
        at_upper, at_lower = np.maximum(dual, 0.0), np.maximum(-dual, 0.0)
        upper_end = self._all_penalties + curvature * np.maximum(over, 0.0)
        lower_end = self._all_penalties + curvature * np.maximum(under, 0.0)
        parts = (
            self._hessian @ u + linear + self._all_rows.T @ dual,
            at_upper - np.minimum(np.maximum(at_upper + over, 0.0), upper_end),
            at_lower - np.minimum(np.maximum(at_lower + under, 0.0), lower_end),
        )
        return float(np.abs(np.concatenate(parts)).max(initial=0.0))
