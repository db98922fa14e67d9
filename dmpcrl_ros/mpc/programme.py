# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A quadratic programme with soft bounds, and its solution."""

from dataclasses import dataclass

import numpy as np


@dataclass
class QpData:
    """A quadratic programme with soft bounds.

    It is::

        minimise 1/2 v'Hv + q'v + c + penalty' sigma  s.t.  A v = b,  lower <= v <= upper,
        soft_lower - sigma <= v[soft] <= soft_upper + sigma,  sigma >= 0

    q, c and b may change after the setup of a solver.

    Args:
        hessian: H (n, n).
        linear: q (n,).
        constant: c, a number.
        equality: A (m, n).
        equality_value: b (m,).
        lower: hard bounds (n,).
        upper: hard bounds (n,).
        soft: indices in v of the soft rows (r,).
        soft_lower: bounds (r,).
        soft_upper: bounds (r,).
        penalty: weights (r,) of the violation.
    """

    hessian: np.ndarray
    linear: np.ndarray
    constant: float
    equality: np.ndarray
    equality_value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    soft: np.ndarray
    soft_lower: np.ndarray
    soft_upper: np.ndarray
    penalty: np.ndarray

    def value(self, solution: 'QpSolution') -> float:
        """Objective with its penalties."""
        v = solution.primal
        return float(0.5 * v @ self.hessian @ v + self.linear @ v + self.constant + self.penalty @ solution.slack)


@dataclass(frozen=True)
class QpSolution:
    """Primal-dual solution.

    Args:
        primal: v (n,).
        slack: sigma (r,).
        dual_equality: multipliers of A v - b (m,).
        dual_hard: multipliers of the hard bounds (n,), positive at the upper ones.
        dual_soft_lower: multipliers of the lower soft bounds (r,).
        dual_soft_upper: multipliers of the upper soft bounds (r,).
        kkt_residual: largest violation of the optimality conditions.
    """

    primal: np.ndarray
    slack: np.ndarray
    dual_equality: np.ndarray
    dual_hard: np.ndarray
    dual_soft_lower: np.ndarray
    dual_soft_upper: np.ndarray
    kkt_residual: float
