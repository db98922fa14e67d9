# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Safeguards of the updates of the parameters, which the papers leave open."""

from dataclasses import dataclass
from math import isqrt

import numpy as np

_ROUNDING = 1e-12  # of an eigenvalue, relative to the largest


@dataclass(frozen=True)
class SafeguardReport:
    """Effect of the safeguards on one update of one agent.

    Args:
        curvature_reversed: transitions whose negative curvature entered the second-order model with the other sign.
        step_scale: factor, at most one, by which the step of the whole network was shortened.
        parameters_held: number of elements of theta held at a bound.
    """

    curvature_reversed: int = 0
    step_scale: float = 1.0
    parameters_held: int = 0


@dataclass(frozen=True, kw_only=True)
class Safeguards:
    """Bounds on theta, on its change in one update, and on the curvature of the second-order model.

    Args:
        lower: bound of theta (p,); infinite for none. Within both bounds the problem of the MPC is convex.
        upper: bound of theta (p,); infinite for none.
        definite: square matrices within theta that stay symmetric and positive definite, each with its smallest allowed
            eigenvalue.
        step_limit: largest change of an element of theta in one update, relative to `max(size, |theta|)`.
        sizes: of the elements of theta (p,).
        absolute_curvature: whether the second-order model takes the absolute eigenvalues of the curvature -delta h of
            every transition. The model is then convex and the step descends, with small changes of parameters of large
            curvature, whatever its sign. The papers take the curvature as it is.
    """

    lower: np.ndarray
    upper: np.ndarray
    step_limit: float = np.inf
    sizes: np.ndarray | float = 1.0
    absolute_curvature: bool = False
    definite: tuple[tuple[slice, float], ...] = ()

    def curvature(self, td_errors: np.ndarray, hessians: np.ndarray) -> tuple[np.ndarray, int]:
        """Curvature (p, p) in place of -sum_tau delta_tau h_tau in the second-order model.

        The second result is the number of transitions whose negative curvature was reversed.

        Args:
            td_errors: delta (T,).
            hessians: h (T, p, p), symmetric.
        """
        if not self.absolute_curvature:
            return -np.tensordot(td_errors, hessians, axes=1), 0
        curvature = np.zeros(hessians.shape[1:])
        curved = np.flatnonzero(
            hessians.any(axis=(0, 1))
        )  # only few parameters have curvature; the rest need no eigenvalues
        if not curved.size:
            return curvature, 0
        block = np.ix_(curved, curved)
        values, vectors = np.linalg.eigh(-td_errors[:, None, None] * hessians[:, block[0], block[1]])
        curvature[block] = ((vectors * np.abs(values)[:, None, :]) @ vectors.transpose(0, 2, 1)).sum(axis=0)
        negative = values < -_ROUNDING * np.abs(values).max()
        return curvature, int(negative.any(axis=1).sum())

    def excess(self, theta: np.ndarray, change: np.ndarray) -> float:
        """Factor by which the change (p,) of theta (p,) is too long; 1 for an allowed one."""
        allowed = self.step_limit * np.maximum(self.sizes, np.abs(theta))
        return float(np.maximum(1.0, np.abs(change) / allowed).max())

    def hold(self, theta: np.ndarray) -> tuple[np.ndarray, int]:
        """theta (p,) within its bounds, and the number of elements that were outside."""
        held = np.clip(theta, self.lower, self.upper)
        for part, least in self.definite:
            held[part] = _definite(held[part], least)
        return held, int((held != theta).sum())


def _definite(flat: np.ndarray, least: float) -> np.ndarray:
    """Nearest symmetric matrix (Frobenius norm) with eigenvalues of at least `least`, row by row, (n * n,)."""
    matrix = flat.reshape(2 * (isqrt(flat.size),))
    matrix = 0.5 * (matrix + matrix.T)
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < least:
        matrix = (vectors * np.maximum(values, least)) @ vectors.T
    return matrix.ravel()
