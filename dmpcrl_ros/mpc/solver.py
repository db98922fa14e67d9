# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings and flags of the active-set solver, daqp, and the checks that its solutions need."""

import numpy as np

SOFT, EQUALITY = 8, 5  # its flags of a constraint
SLACK_CURVATURE = 1e-7  # daqp penalises slack by w s + c s^2 / 2; for c of 1e-9 and less its active sets are wrong
SETTINGS = {'primal_tol': 1e-10, 'eps_prox': 0.0, 'iter_limit': 1000}
KKT_TOLERANCE = 1e-9  # of an accepted solution, relative to the size of the linear term
SLACK_USED = 2  # its exit flag of a solution with slack
ATTEMPTS = 10  # solutions for misplaced rows
_NOT_CONVEX = -5  # its exit flag
_OFF_BOUND = 1e-9  # distance from which a soft row does not lie on its bound


class QpFailure(Exception):
    """The quadratic programme has no solution, or the solver found none; the message says which."""


class NotConvex(QpFailure):
    """The quadratic programme is not strictly convex, or is scaled so badly that it seems so."""


def setup_failure(flag: int) -> QpFailure:
    """Failure to set up a solver, by its exit flag."""
    kind = NotConvex if flag == _NOT_CONVEX else QpFailure
    return kind(f'the quadratic programme could not be set up ({reason(flag)})')


def reason(flag: int) -> str:
    """Meaning of an exit flag that is not positive."""
    return {
        -1: 'infeasible',
        -2: 'the active set cycles',
        -3: 'unbounded',
        -4: 'iteration limit',
        _NOT_CONVEX: 'not convex',
        -6: 'contradictory active constraints',
    }.get(flag, f'solver flag {flag}')


def misplaced(
    value: np.ndarray, dual: np.ndarray, lower: np.ndarray, upper: np.ndarray, penalty: np.ndarray
) -> np.ndarray:
    """Distances (r,) of soft rows with a multiplier from their correct place.

    The correct place is the bound, or beyond it at the end of the multiplier's box. daqp can leave the slack's
    curvature in its factorisation when a multiplier returns from the end of its box. The row then stays off its bound
    in proportion to its multiplier.

    Args:
        value: of the rows (r,).
        dual: (r,); positive multipliers belong to the upper bounds.
        lower: bounds (r,).
        upper: bounds (r,).
        penalty: ends of the boxes of the multipliers (r,).
    """
    beyond = np.where(dual > 0.0, value - upper, lower - value)
    ended = np.abs(dual) >= penalty * (1.0 - 1e-9)
    wrong = ((beyond < -_OFF_BOUND) | ~ended & (beyond > _OFF_BOUND)) & (dual != 0.0)
    return np.where(wrong, np.abs(beyond), 0.0)


def held(rows: np.ndarray, distance: np.ndarray, dual: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Mask (r,) of the soft rows to make hard in the next solution, because the solver misplaces them as soft ones.

    The row furthest from its correct place has returned to its bound. A hard row whose multiplier leaves its box
    becomes soft again.

    Args:
        rows: mask (r,) of the rows that were hard.
        distance: (r,), of `misplaced`.
        dual: multipliers (r,).
        penalty: ends of their boxes (r,).
    """
    rows = rows & (np.abs(dual) <= penalty)
    if (free := np.where(rows, 0.0, distance)).any():
        rows[np.argmax(free)] = True
    return rows
