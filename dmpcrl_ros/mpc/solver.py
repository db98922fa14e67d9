# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings and flags of the active-set solver, daqp, and checks without which its answers are not to be trusted."""

import numpy as np

SOFT, EQUALITY = 8, 5  # its flags of a constraint
SLACK_CURVATURE = 1e-7  # it weighs slack by w s + c s^2 / 2; from c = 1e-9 down active sets are wrong
SETTINGS = {'primal_tol': 1e-10, 'eps_prox': 0.0, 'iter_limit': 1000}
KKT_TOLERANCE = 1e-9  # of an accepted solution, relative to the size of the linear term
SLACK_USED = 2  # its exit flag of a solution with slack
ATTEMPTS = 10  # to solve for rows that it has misplaced
_OFF_BOUND = 1e-9  # a soft row this far from its bound is not on it


class QpFailure(Exception):
    """The quadratic programme has no solution, or the solver found none; the message says which."""


def reason(flag: int) -> str:
    """Meaning of an exit flag that is not positive."""
    return {
        -1: 'infeasible',
        -2: 'the active set cycles',
        -3: 'unbounded',
        -4: 'iteration limit',
        -5: 'not convex',
        -6: 'contradictory active constraints',
    }.get(flag, f'solver flag {flag}')


def misplaced(
    value: np.ndarray, dual: np.ndarray, lower: np.ndarray, upper: np.ndarray, penalty: np.ndarray
) -> np.ndarray:
    """Distances (r,) of soft rows with a multiplier from where they should be.

    That is on their bound, or beyond it at the end of the multiplier's box. daqp can leave the slack's curvature in its
    factorisation when a multiplier comes back from the end of its box; the row then stays off its bound in proportion
    to its multiplier.

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
    """Mask (r,) of the soft rows to solve for as hard ones next, because the solver misplaces them when they are soft.

    The one that is furthest from where it should be has come back to its bound; a hard row whose multiplier leaves its
    box must give way after all.

    Args:
        rows: mask (r,) of those that were held.
        distance: (r,), of `misplaced`.
        dual: multipliers (r,).
        penalty: ends of their boxes (r,).
    """
    rows = rows & (np.abs(dual) <= penalty)
    if (free := np.where(rows, 0.0, distance)).any():
        rows[np.argmax(free)] = True
    return rows
