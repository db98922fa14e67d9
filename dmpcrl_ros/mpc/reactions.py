# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Quadratic reactions of the parts of a network behind the edges of a spanning tree.

Agent a tells its neighbour b how the part of the network behind a reacts, with its present active set, to the
trajectories X of b's side that it uses, and to prices p on the trajectories of its own side that b's side uses::

    W(X, p) = min {cost of a's side + p'X_P} = 1/2 [X; p]' [[Hxx, Hpx'], [Hpx, -Hpp]] [X; p] + gx'X + gp'p + c

W is convex in X and concave in p, and X_P = dW/dp. Each agent solves its own programme, all inequalities included, with
the reactions of its neighbours added; the optimal value is that of the whole network. With the right active sets all
agents are exact after as many rounds as the tree has edges between two of them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dmpcrl_ros.mpc.compliance import compliance_of_rows, degenerate_part
from dmpcrl_ros.mpc.condensed import CondensedQp, Eliminated, LocalStructure, eliminate
from dmpcrl_ros.mpc.edge_model import EdgeModel
from dmpcrl_ros.mpc.factorised import Factorised
from dmpcrl_ros.mpc.local_evaluation import LocalEvaluation, same
from dmpcrl_ros.mpc.programme import QpData
from dmpcrl_ros.mpc.solver import QpFailure

_RANK = 1e-12  # of Hpp, relative to its largest eigenvalue


class Reaction(EdgeModel):
    """The last reaction that a neighbour told (see EdgeModel).

    With Hpp = factor factor', X_P = dW/dp becomes Hpx X + gp + factor xi at the cost 1/2 xi'xi.

    Attributes:
        triangle: indices of the upper triangle of the matrix of W, of this reaction and of that the other way.
    """

    def __init__(self, ours: int, theirs: int, resolution: float):
        super().__init__(ours, theirs, resolution)
        self._n = ours + theirs
        self.triangle = np.triu_indices(self._n)
        self.matrices = self.numbers[: len(self.triangle[0])]

    @staticmethod
    def size(ours: int, theirs: int) -> int:
        """Number of elements of a message."""
        n = ours + theirs
        return n * (n + 1) // 2 + n + 1

    def read(self, numbers: np.ndarray) -> None:
        """Take the numbers of a message: upper triangle, gradients."""
        count, ours = len(self.matrices), self.n_ours
        matrices, self.gradient, self.offset = numbers[:count], numbers[count : count + ours], numbers[count + ours :]
        if np.array_equal(matrices, self.matrices):
            return
        self.matrices = matrices
        full = np.empty((self._n, self._n))
        full[self.triangle] = full.T[self.triangle] = matrices
        self.curvature, self.response = full[:ours, :ours], full[ours:, :ours]
        size, direction = np.linalg.eigh(-full[ours:, ours:])
        kept = size > _RANK * max(size.max(initial=0.0), np.finfo(float).tiny)
        self.factor = direction[:, kept] * np.sqrt(size[kept])


class _Response(NamedTuple):
    """The part of a reaction that depends on matrices and the active set only.

    Args:
        e: programme without the receiver's model, with the entries of the receiver's side as parameters.
        compliance: of the rows on their bounds (m, m).
        factors: of the optimality conditions in the free directions and the rows on their bounds.
        rows_by_parameters: rows on their bounds (m, n_z).
        matrices: upper triangle of the matrix of W.
    """

    e: Eliminated
    compliance: np.ndarray
    factors: Factorised
    rows_by_parameters: np.ndarray
    matrices: np.ndarray


class ReactingEvaluation(LocalEvaluation):
    """An evaluation that tells the neighbours its reactions, with its active set (see LocalEvaluation)."""

    kind, model = 'reactions', Reaction
    models: Mapping[int, Reaction]

    def __init__(self, structure: LocalStructure, resolution: float, unreached: Mapping[int, np.ndarray]):
        super().__init__(structure, resolution, unreached)
        self._kept: dict[int, tuple[tuple[Any, ...], _Response]] = {}
        self._told: dict[int, tuple[tuple[object, ...], np.ndarray, np.ndarray]] = {}

    def begin(self, qp: CondensedQp, data: QpData, state: np.ndarray, action: np.ndarray | None) -> None:
        """Start an evaluation (see LocalEvaluation); the models of the neighbours stay."""
        super().begin(qp, data, state, action)
        self._told.clear()
        self._compliance = compliance_of_rows(qp)

    def message(self, neighbour: int) -> np.ndarray:
        """Reaction of this agent's side with its present active set.

        Active inputs are held. Violated rows contribute their penalty linearly. Rows on their bounds stay there, up to
        a small compliance of those that no free direction moves.

        Raises:
            QpFailure: it is not finite, or the relations with the other neighbours have no unique solution.
        """
        others = {j: model for j, model in self.models.items() if j != neighbour}
        response, held = self._response(neighbour, others), self.multipliers[self.active.on_bound != 0.0]
        known = (response, *(model.numbers for model in others.values()))
        forces = np.concatenate([self.active.violated, held])
        told = self._told.get(neighbour)
        if not (told and same(told[0], known) and np.array_equal(told[1], forces)):
            own = np.concatenate([response.matrices, self._vectors(neighbour, others, response, held)])
            told = self._told[neighbour] = (known, forces, own)
        message = told[2].copy()
        message[-1] += sum(model.constant for model in others.values())
        if not np.isfinite(message).all():
            raise QpFailure('the reaction to a neighbour is not finite')
        return message

    def _vectors(
        self, neighbour: int, others: Mapping[int, Reaction], response: _Response, held: np.ndarray
    ) -> np.ndarray:
        """Gradients and constant of a reaction, without the constants of the other neighbours.

        Args:
            neighbour: that gets it.
            others: models of the other neighbours.
            response: to this neighbour.
            held: multipliers of the rows on their bounds.
        """
        qp, active, e, n_s = self.qp, self.active, response.e, self.structure.n_states
        shared = self.structure.shared
        constants, linear = self._join(others)
        sign = active.violated + active.on_bound
        bound, push = np.where(sign > 0.0, qp.soft_upper, qp.soft_lower), active.violated * qp.penalty
        np.add.at(linear, qp.soft, push)
        constant = self.constant - float(push @ np.where(active.violated, bound, 0.0))
        inputs = self._held_inputs()
        constants[shared.theirs[neighbour]] = 0.0
        constants[: shared.n_own] += qp.inputs @ inputs
        w = e.offset(constants)
        w[n_s:] = inputs
        on_bound = active.on_bound != 0.0
        rows, sign = qp.soft[on_bound], sign[on_bound]
        held, compliance = np.abs(held), response.compliance
        gap = sign * (bound[on_bound] - w[rows]) - compliance @ held
        right = np.concatenate([-e.directions.T @ (linear + e.hessian @ w), gap])
        found = response.factors.solve(right)
        y, mu = found[: len(e.reduced)], found[len(e.reduced) :]
        w += e.directions @ y
        gradient = linear + e.hessian @ w
        xi = y[int((~e.held).sum()) :]
        value = (
            0.5 * w @ (gradient + linear)
            + constant
            + 0.5 * xi @ xi
            + 0.5 * (mu @ compliance @ mu - held @ compliance @ held)
        )
        by_parameters = e.parameters.T @ gradient + response.rows_by_parameters.T @ mu
        return np.concatenate([by_parameters, w[shared.ours[neighbour]], [value]])

    def _held_inputs(self) -> np.ndarray:
        """Values of the inputs (n_u,) that are held, on their bounds exactly; zero for free ones."""
        held = self.active.held
        return np.where(held > 0.0, self.upper, np.where(held < 0.0, self.lower, 0.0))

    def _response(self, neighbour: int, others: Mapping[int, Reaction]) -> _Response:
        """Response of this side, kept until a matrix or the active set changes."""
        active, qp, shared = self.active, self.qp, self.structure.shared
        sets = (active.held.tobytes(), active.on_bound.tobytes())
        key = (qp, *(model.matrices for model in others.values()), *sets)
        kept = self._kept.get(neighbour)
        if kept and kept[0][-2:] == sets and same(kept[0][:-2], key[:-2]):
            return kept[1]
        e = eliminate(qp, others, active.held != 0.0, shared.theirs[neighbour])
        on_bound = active.on_bound != 0.0
        rows, sign = qp.soft[on_bound], active.on_bound[on_bound][:, None]
        response = _respond(
            e,
            sign * e.directions[rows],
            sign * e.parameters[rows],
            self._compliance[on_bound],
            shared.ours[neighbour],
            self.models[neighbour].triangle,
        )
        self._kept[neighbour] = (key, response)
        return response


def _respond(
    e: Eliminated, rows: np.ndarray, by_parameters: np.ndarray, compliance: np.ndarray, out: np.ndarray, triangle: Any
) -> _Response:
    """Solve the optimality conditions of the active set for all parameters and prices.

    Args:
        e: programme without the receiver's model.
        rows: rows on their bounds, by directions (m, n_y).
        by_parameters: the same rows, by parameters (m, n_z).
        compliance: of each row, where no free direction moves it (m,).
        out: entries of w that the receiver prices.
        triangle: indices of the upper triangle of the matrix of W.

    Raises:
        QpFailure: they have no unique solution.
    """
    n, m, n_z = len(e.reduced), len(rows), e.parameters.shape[1]
    compliance = degenerate_part(e.reduced, rows, compliance)
    conditions = np.zeros((n + m, n + m))
    conditions[:n, :n], conditions[:n, n:], conditions[n:, :n] = e.reduced, rows.T, rows
    conditions[n:, n:] = -compliance
    by_z = e.hessian @ e.parameters
    right = np.zeros((n + m, n_z + len(out)))
    right[:n, :n_z], right[n:, :n_z] = -e.directions.T @ by_z, -by_parameters
    right[:n, n_z:] = -e.directions[out].T
    try:
        factors = Factorised(conditions)
    except np.linalg.LinAlgError:
        raise QpFailure('the reaction to a neighbour has no unique solution') from None
    found = factors.solve(right)
    y_z, y_p, mu_z = found[:n, :n_z], found[:n, n_z:], found[n:, :n_z]
    hxx = e.parameters.T @ by_z + by_z.T @ e.directions @ y_z + by_parameters.T @ mu_z
    hpx, minus_hpp = e.parameters[out] + e.directions[out] @ y_z, e.directions[out] @ y_p
    whole = np.empty((n_z + len(out), n_z + len(out)))
    whole[:n_z, :n_z], whole[:n_z, n_z:] = 0.5 * (hxx + hxx.T), hpx.T
    whole[n_z:, n_z:] = 0.5 * (minus_hpp + minus_hpp.T)
    return _Response(e, compliance, factors, by_parameters, whole[triangle])
