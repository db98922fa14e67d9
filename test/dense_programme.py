# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Quadratic programmes as they are written down, with explicit slack variables: the active set comes from qpOASES, the
numbers from the linear equations that it implies, and they are returned only if they meet all optimality conditions."""

import casadi as ca
import numpy as np


def optimum(H, q, A, lba, uba, lbx, ubx):
    """Minimiser of 1/2 v'Hv + q'v with lba <= A v <= uba and lbx <= v <= ubx, multipliers of the rows, value."""
    solver = ca.conic(
        'dense',
        'qpoases',
        {'h': ca.DM(H).sparsity(), 'a': ca.DM(A).sparsity()},
        {'printLevel': 'none', 'sparse': False},
    )
    found = solver(h=H, g=q, a=A, lba=lba, uba=uba, lbx=lbx, ubx=ubx)
    dual = np.concatenate([np.asarray(found[name]).ravel() for name in ('lam_a', 'lam_x')])
    v, dual = _polished(H, q, np.vstack([A, np.eye(len(q))]), np.r_[lba, lbx], np.r_[uba, ubx], dual)
    return v, dual[: len(A)], float(0.5 * v @ H @ v + q @ v)


def _polished(H, q, G, low, high, dual):
    """Solve the equations of the active set and insist on the optimality conditions."""
    n = len(q)
    active = (np.abs(dual) > 1e-9) | (low == high)
    at = np.where(dual > 0, high, low)
    kkt = np.block([[H, G[active].T], [G[active], np.zeros((active.sum(),) * 2)]])
    solved = np.linalg.lstsq(kkt, np.r_[-q, at[active]], rcond=None)[0]
    solved -= np.linalg.lstsq(kkt, kkt @ solved - np.r_[-q, at[active]], rcond=None)[0]
    v = solved[:n]
    dual = np.zeros(len(dual))
    dual[active] = solved[n:]
    value = G @ v
    bounded = low < high
    scale = 1.0 + np.abs(dual).max()
    misses = {
        'stationarity': np.abs(H @ v + q + G.T @ dual).max() / scale,
        'feasibility': np.maximum(value - high, low - value).max(),
        'sign at the upper bound': -np.where(bounded & (value > low + 1e-9), dual, 0.0).min() / scale,
        'sign at the lower bound': np.where(bounded & (value < high - 1e-9), dual, 0.0).max() / scale,
    }
    assert all(miss < 1e-9 for miss in misses.values()), f'the reference itself is not optimal: {misses}'
    return v, dual
