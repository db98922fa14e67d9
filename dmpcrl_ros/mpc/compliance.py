# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Compliance of rows that are on their bounds, where nothing moves them.

Combinations of rows that no free direction moves would make a reaction infinite. They give way to their multipliers: by
a part of the bound where the multiplier is the penalty, whatever the units. At a fixed point the multipliers are those
that they were, and the rows are on their bounds. All other combinations stay there exactly: a compliance beside the
flexibility of a row would make a message softer than its sender, and multipliers would alternate.
"""

import numpy as np

from dmpcrl_ros.mpc.condensed import CondensedQp
from dmpcrl_ros.mpc.solver import QpFailure

_COMPLIANCE = 1e-2  # part of the bound
_FLEXIBLE = 1e-8  # relative to the compliance; from here on the free directions move a combination of rows


def compliance_of_rows(qp: CondensedQp) -> np.ndarray:
    """Compliance of each soft row (r,); of no use for rows without a penalty."""
    bounds = np.array([qp.soft_lower, qp.soft_upper])
    size = np.abs(bounds, where=np.isfinite(bounds), out=np.zeros_like(bounds)).max(axis=0, initial=0.0)
    size[size == 0.0] = 1.0
    return _COMPLIANCE * np.divide(size, qp.penalty, where=qp.penalty > 0.0, out=np.ones_like(size))


def degenerate_part(reduced: np.ndarray, rows: np.ndarray, compliance: np.ndarray) -> np.ndarray:
    """Compliance (m, m) in the combinations of rows that the free directions do not move, zero in all others.

    Args:
        reduced: Hessian in the free directions (n, n).
        rows: rows on their bounds, by directions (m, n).
        compliance: of each row (m,).

    Raises:
        QpFailure: the Hessian is singular.
    """
    scale = np.sqrt(np.outer(compliance, compliance))
    try:
        flexibility = rows @ np.linalg.solve(reduced, rows.T) / scale
    except np.linalg.LinAlgError:
        raise QpFailure('the reaction to a neighbour has no unique solution') from None
    size, combination = np.linalg.eigh(0.5 * (flexibility + flexibility.T))
    return scale * ((combination * (size < _FLEXIBLE)) @ combination.T)
