# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Quadratic reactions of the parts of a network behind the edges of a spanning tree (see `reactions`).

A reaction is W(X, p) = 1/2 [X; p]' [[Hxx, Hpx'], [Hpx, -Hpp]] [X; p] + gx'X + gp'p + c.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from dmpcrl_ros.mpc.condensed import Eliminated, LocalStructure, eliminate
from dmpcrl_ros.mpc.local_evaluation import LocalEvaluation
from dmpcrl_ros.mpc.solver import QpFailure

# Compliance of a soft row that a multiplier holds on its bound. Without it a reaction can be infinite. At a fixed point
# the multiplier is the one that it was, and the row is on its bound.
_COMPLIANCE = 1e-4
_RANK = 1e-12  # of Hpp, relative to its largest eigenvalue


def reaction_size(ours: int, theirs: int) -> int:
    """Number of elements of a reaction to `ours` entries of the receiver's side, with `theirs` of the sender's."""
    n = ours + theirs
    return n * (n + 1) // 2 + n + 1


class Reaction:
    """The last reaction of a neighbour, as a model of the network behind it (an EdgeModel); zero at first.

    With Hpp = factor factor', X_P = dW/dp becomes Hpx X + gp + factor xi at the cost 1/2 xi'xi.

    Args:
        ours: number of entries of the receiver's side that the sender's side uses, the length of X.
        theirs: number of entries of the sender's side that the receiver's side uses, the length of p.
    """

    def __init__(self, ours: int, theirs: int):
        self._n, self._ours = ours + theirs, ours
        self._triangle = np.triu_indices(self._n)
        self.matrices = np.zeros(len(self._triangle[0]))
        self.curvature, self.response = np.zeros((ours, ours)), np.zeros((theirs, ours))
        self.factor = np.zeros((theirs, 0))
        self.gradient, self.offset, self.constant = np.zeros(ours), np.zeros(theirs), 0.0

    def take(self, message: np.ndarray) -> None:
        """Replace it by the reaction in a message (reaction_size,)."""
        count, ours = len(self.matrices), self._ours
        matrices, vectors = message[:count], message[count:]
        self.gradient, self.offset, self.constant = vectors[:ours], vectors[ours:-1], float(vectors[-1])
        if np.array_equal(matrices, self.matrices):
            return
        self.matrices = matrices
        full = np.zeros((self._n, self._n))
        full[self._triangle] = matrices
        full = full + np.triu(full, 1).T
        self.curvature, self.response = full[:ours, :ours], full[ours:, :ours]
        size, direction = np.linalg.eigh(-full[ours:, ours:])
        kept = size > _RANK * max(size.max(initial=0.0), np.finfo(float).tiny)
        self.factor = direction[:, kept] * np.sqrt(size[kept])


class _Response(NamedTuple):
    """The part of a reaction that depends on matrices and the active set only.

    Args:
        e: programme without the receiver's model, with the entries of the receiver's side as parameters.
        lu: factorised optimality conditions in the free directions and the rows on their bounds.
        rows_by_parameters: rows on their bounds (m, n_z).
        matrices: upper triangle of the matrix of W.
    """

    e: Eliminated
    lu: Any
    rows_by_parameters: np.ndarray
    matrices: np.ndarray


class ReactingEvaluation(LocalEvaluation):
    """An evaluation whose active set gives the reactions for the neighbours."""

    models: Mapping[int, Reaction]

    def __init__(self, structure: LocalStructure):
        shared = structure.shared
        super().__init__(structure, {j: Reaction(len(shared.ours[j]), len(shared.theirs[j])) for j in shared.theirs})
        self._kept: dict[int, tuple[tuple[Any, ...], _Response]] = {}

    def reaction(self, neighbour: int) -> np.ndarray:
        """Message (reaction_size,) for a neighbour: the reaction of this agent's side with its present active set.

        Active inputs are held. Violated rows contribute their penalty linearly. A row on its bound stays there, up to a
        small compliance.

        Raises:
            QpFailure: it is not finite, or the relations with the other neighbours have no unique solution.
        """
        others = {j: model for j, model in self.models.items() if j != neighbour}
        response, qp, active = self._response(neighbour, others), self.qp, self.active
        e, shared, n_s = response.e, self.structure.shared, self.structure.n_states
        constants, linear, constant = self._join(others)
        bound = np.where(active.sign > 0.0, qp.soft_upper, qp.soft_lower)
        push = np.where(active.violated, active.sign * qp.penalty, 0.0)
        np.add.at(linear, qp.soft, push)
        constant -= float(push @ bound)
        inputs = self._held_inputs(e.held)
        constants[shared.theirs[neighbour]] = 0.0
        constants[: shared.n_own] += qp.inputs @ inputs
        w = e.offset(constants)
        w[n_s:] = inputs
        rows, sign, held = qp.soft[active.on_bound], active.sign[active.on_bound], self.multipliers[active.on_bound]
        gap = sign * (bound[active.on_bound] - w[rows]) - _COMPLIANCE * np.abs(held)
        right = np.concatenate([-e.directions.T @ (linear + e.hessian @ w), gap])
        y, mu = np.split(_solved(response.lu, right), [len(e.reduced)])
        w += e.directions @ y
        gradient = linear + e.hessian @ w
        xi = y[int((~e.held).sum()) :]
        value = 0.5 * w @ (gradient + linear) + constant + 0.5 * xi @ xi + 0.5 * _COMPLIANCE * (mu @ mu - held @ held)
        by_parameters = e.parameters.T @ gradient + response.rows_by_parameters.T @ mu
        message = np.concatenate([response.matrices, by_parameters, w[shared.ours[neighbour]], [value]])
        if not np.isfinite(message).all():
            raise QpFailure('the reaction to a neighbour is not finite')
        return message

    def _held_inputs(self, held: np.ndarray) -> np.ndarray:
        """Values of the inputs (n_u,) that are held, on their bounds exactly; zero for free ones."""
        inputs = np.where(self.active.lower, self.lower, self.w[self.structure.n_states :])
        return np.where(held, np.where(self.active.upper, self.upper, inputs), 0.0)

    def _response(self, neighbour: int, others: Mapping[int, Reaction]) -> _Response:
        """Response of this side, kept until a matrix or the active set changes."""
        active, qp, shared = self.active, self.qp, self.structure.shared
        held = self.held | active.lower | active.upper
        sets = (held.tobytes(), np.where(active.on_bound, active.sign, 0.0).tobytes())
        key = (qp, *(model.matrices for model in others.values()), *sets)
        kept = self._kept.get(neighbour)
        if kept and kept[0][-2:] == sets and all(a is b for a, b in zip(kept[0][:-2], key[:-2], strict=True)):
            return kept[1]
        e = eliminate(qp, others, held, shared.theirs[neighbour])
        rows, sign = qp.soft[active.on_bound], active.sign[active.on_bound][:, None]
        response = _respond(e, sign * e.directions[rows], sign * e.parameters[rows], shared.ours[neighbour])
        self._kept[neighbour] = (key, response)
        return response


def _respond(e: Eliminated, rows: np.ndarray, rows_by_parameters: np.ndarray, out: np.ndarray) -> _Response:
    """Solve the optimality conditions of the active set for all parameters and prices.

    Args:
        e: programme without the receiver's model.
        rows: rows on their bounds, by directions (m, n_y).
        rows_by_parameters: the same rows, by parameters (m, n_z).
        out: entries of w that the receiver prices.
    """
    n, m, n_z = len(e.reduced), len(rows), e.parameters.shape[1]
    conditions = np.zeros((n + m, n + m))
    conditions[:n, :n], conditions[:n, n:], conditions[n:, :n] = e.reduced, rows.T, rows
    conditions[np.arange(n, n + m), np.arange(n, n + m)] = -_COMPLIANCE
    by_z = e.hessian @ e.parameters
    right = np.zeros((n + m, n_z + len(out)))
    right[:n, :n_z], right[n:, :n_z] = -e.directions.T @ by_z, -rows_by_parameters
    right[:n, n_z:] = -e.directions[out].T
    lu = lu_factor(conditions, check_finite=False) if n + m else None
    found = _solved(lu, right)
    y_z, y_p, mu_z = found[:n, :n_z], found[:n, n_z:], found[n:, :n_z]
    hxx = e.parameters.T @ by_z + by_z.T @ e.directions @ y_z + rows_by_parameters.T @ mu_z
    hpx, minus_hpp = e.parameters[out] + e.directions[out] @ y_z, e.directions[out] @ y_p
    whole = np.block([[0.5 * (hxx + hxx.T), hpx.T], [hpx, 0.5 * (minus_hpp + minus_hpp.T)]])
    return _Response(e, lu, rows_by_parameters, whole[np.triu_indices(len(whole))])


def _solved(lu: Any, right: np.ndarray) -> np.ndarray:
    return lu_solve(lu, right, check_finite=False) if lu else right
