# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Active sets of a quadratic programme with soft rows."""

from typing import NamedTuple

import numpy as np

from dmpcrl_ros.mpc.factorised import Factorised


class ActiveSet(NamedTuple):
    """Bounds that are active at a solution: +1 for the upper, -1 for the lower bound, 0 for none.

    Args:
        held: of the variables (n,).
        on_bound: of the rows that a multiplier holds on a bound (r,).
        violated: of the rows (r,).
    """

    held: np.ndarray
    on_bound: np.ndarray
    violated: np.ndarray

    @classmethod
    def none(cls, variables: int, rows: int) -> 'ActiveSet':
        """Active set without active bounds."""
        return cls(np.zeros(variables), np.zeros(rows), np.zeros(rows))


class ActiveSetEquations:
    """Linear equations of the optimality conditions with one active set, factorised once.

    Their solution is more exact than that of the solver, which adds a curvature to the slack and has an absolute
    tolerance.

    Args:
        hessian: (n, n).
        rows: of norm one (r, n).
        penalty: (r,).
        active: the active set.

    Raises:
        LinAlgError: the equations have no unique solution.
    """

    def __init__(self, hessian: np.ndarray, rows: np.ndarray, penalty: np.ndarray, active: ActiveSet):
        self._hessian, self._rows = hessian, rows
        self._held, self._free = active.held.nonzero()[0], (active.held == 0).nonzero()[0]
        self._on_bound = active.on_bound.nonzero()[0]
        sign = np.concatenate([active.held, active.on_bound])
        self._bounds = sign.nonzero()[0]
        self._upper = sign[self._bounds] > 0
        self._push = active.violated * penalty
        self._force = rows.T @ self._push
        on_bound, free, size = rows[self._on_bound], self._free, len(self._free)
        matrix = np.zeros((size + len(on_bound), size + len(on_bound)))
        matrix[:size, :size] = hessian[free[:, None], free]
        matrix[size:, :size], matrix[:size, size:] = on_bound[:, free], on_bound[:, free].T
        self._by_held = np.concatenate([hessian[free[:, None], self._held], on_bound[:, self._held]])
        self._factors = Factorised(matrix)

    def solve(self, linear: np.ndarray, below: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solution u (n,) and its multipliers of the bounds and of the rows (n + r,).

        Args:
            linear: q (n,).
            below: lower bounds of the variables and of the rows (n + r,).
            above: upper bounds (n + r,).
        """
        n, size, held = len(linear), len(self._free), len(self._held)
        bounds = np.where(self._upper, above[self._bounds], below[self._bounds])
        right = np.concatenate([-(linear + self._force)[self._free], bounds[held:]]) - self._by_held @ bounds[:held]
        found = self._factors.solve(right)
        u, dual = np.empty(n), np.zeros(len(below))
        u[self._free], u[self._held] = found[:size], bounds[:held]
        dual[n:] = self._push
        dual[n + self._on_bound] = found[size:]
        dual[self._held] = -(self._hessian @ u + linear + self._rows.T @ dual[n:])[self._held]
        return u, dual
