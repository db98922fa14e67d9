# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One evaluation of an agent's condensed programme, joined to models of the network behind its edges."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dmpcrl_ros.mpc.condensed import CondensedQp, EdgeModel, Eliminated, LocalStructure, eliminate
from dmpcrl_ros.mpc.qp import QpData, QpSolution
from dmpcrl_ros.mpc.soft_rows import SoftRowsQp, SoftRowsSolution
from dmpcrl_ros.mpc.solver import QpFailure

_MOVED = 1e-11  # norm from which a soft row depends on the decision
_ACTIVE = 1e-9  # multiplier or violation from which a bound is active


class ActiveSet(NamedTuple):
    """Active bounds of a solution.

    Args:
        lower: mask of the inputs on their lower bounds (n_u,).
        upper: mask of the inputs on their upper bounds (n_u,).
        violated: mask of the violated soft rows (r,).
        on_bound: mask of the soft rows that a multiplier holds on a bound (r,).
        sign: +1 for the upper, -1 for the lower bound of each soft row (r,).
    """

    lower: np.ndarray
    upper: np.ndarray
    violated: np.ndarray
    on_bound: np.ndarray
    sign: np.ndarray


class LocalEvaluation:
    """V(state) or Q(state, action) of one agent, solved again and again as the models of its neighbours change.

    Attributes:
        models: of the network behind each edge of the tree.
        value: optimal value, models included.
        w: [S; u] of the solution.
        multipliers: of the soft rows (r,), positive at the upper bounds.

    Args:
        structure: places of the variables.
        models: of each neighbour in the tree.
    """

    def __init__(self, structure: LocalStructure, models: Mapping[int, EdgeModel]):
        self.structure, self.models = structure, models
        self._no_inputs = np.zeros(structure.n_inputs, dtype=bool)
        self._prepared: tuple[Eliminated, SoftRowsQp] | None = None
        self._key: tuple[object, ...] = ()
        self._solved, self.dual_equality = False, np.zeros(0)

    def begin(self, qp: CondensedQp, data: QpData, state: np.ndarray, action: np.ndarray | None) -> None:
        """Start an evaluation.

        Args:
            qp: of the agent at its parameters.
            data: the same programme; its linear terms belong to this evaluation.
            state: (n_x,).
            action: first input (n_u,); None leaves it free.

        Raises:
            QpFailure: the state or the action is not finite.
        """
        if not np.isfinite(state).all() or (action is not None and not np.isfinite(action).all()):
            raise QpFailure('the state or action is not finite')
        s = self.structure
        self.qp, self.state = qp, state
        self.linear, self.constant = np.zeros(s.size), data.constant
        self.linear[s.in_w] = data.linear[s.in_v]
        self.free = qp.inverse @ np.concatenate([state, data.equality_value])
        self.free[s.state] = state  # exact: rounding must not decide whether a state on its bound violates it
        self.lower, self.upper, self.held = qp.lower, qp.upper, self._no_inputs
        if action is not None:
            self.lower, self.upper, self.held = qp.lower.copy(), qp.upper.copy(), self._no_inputs.copy()
            self.lower[s.action] = self.upper[s.action] = action
            self.held[s.action] = True
        self._solved = False

    def solve(self) -> float:
        """Solve the programme with the present models.

        Returns:
            Largest change of the trajectories and of the multipliers of the dynamics since the former solution of this
            evaluation, relative to one plus their size; infinite for the first.

        Raises:
            QpFailure: there is no solution, or it is not finite.
        """
        before = (self.w, self.dual_equality) if self._solved else None
        e, solver = self._prepare()
        constants, self._joined_linear, constant = self._join(self.models)
        offset = e.offset(constants)
        linear = e.directions.T @ (self._joined_linear + e.hessian @ offset)
        found = self._minimise(solver, linear, offset)
        self._collect(e, found, offset, constant)
        if not np.isfinite(self.value):
            raise QpFailure('the solution is not finite')
        self._solved = True
        if before is None:
            return np.inf
        return max(_relative(new, old) for new, old in zip((self.w, self.dual_equality), before, strict=True))

    def _prepare(self) -> tuple[Eliminated, SoftRowsQp]:
        """Parts that depend on theta and on the matrices of the models only."""
        key = (self.qp, *(model.matrices for model in self.models.values()))
        if self._prepared is None or any(a is not b for a, b in zip(key, self._key, strict=True)):
            e = eliminate(self.qp, self.models, self._no_inputs, np.zeros(0, dtype=int))
            rows = e.directions[self.qp.soft]
            self._moves = (np.linalg.norm(rows, axis=1) > _MOVED) & (self.qp.penalty > 0.0)
            solver = SoftRowsQp(e.reduced, rows[self._moves], self.qp.penalty[self._moves])
            self._prepared, self._key = (e, solver), key
        return self._prepared

    def _join(self, models: Mapping[int, EdgeModel]) -> tuple[np.ndarray, np.ndarray, float]:
        """Constants of the relations in S, linear term in w, and constant of the objective."""
        shared, constants, linear, constant = (
            self.structure.shared,
            np.zeros(self.structure.n_states),
            self.linear.copy(),
            self.constant,
        )
        constants[: shared.n_own] = self.free
        for j, model in models.items():
            constants[shared.theirs[j]] = model.offset
            linear[shared.ours[j]] += model.gradient
            constant += model.constant
        return constants, linear, constant

    def _minimise(self, solver: SoftRowsQp, linear: np.ndarray, offset: np.ndarray) -> SoftRowsSolution:
        qp, moves = self.qp, self._moves
        unbounded = np.full(len(linear) - len(self.lower), np.inf)
        at = offset[qp.soft][moves]
        return solver.solve(
            linear,
            np.concatenate([self.lower, -unbounded]),
            np.concatenate([self.upper, unbounded]),
            qp.soft_lower[moves] - at,
            qp.soft_upper[moves] - at,
        )

    def _collect(self, e: Eliminated, found: SoftRowsSolution, offset: np.ndarray, constant: float) -> None:
        """Variables, multipliers and active set of a solution."""
        qp, s, n_u = self.qp, self.structure, self.structure.n_inputs
        w = self.w = offset + e.directions @ found.primal
        w[s.state] = self.state
        above, below = w[qp.soft] - qp.soft_upper, qp.soft_lower - w[qp.soft]
        self.slack = np.maximum(np.maximum(above, below), 0.0)
        constant_row = qp.penalty * ((above > 0.0).astype(float) - (below > 0.0))
        self.multipliers = constant_row
        self.multipliers[self._moves] = found.dual_rows
        violated = self.slack > np.where(self._moves, _ACTIVE, 0.0)
        sign = np.where(above >= below, 1.0, -1.0)
        self.multipliers[violated] = (sign * qp.penalty)[violated]
        self.hard, self.kkt_residual = found.dual_bounds[:n_u], found.kkt_residual
        xi = found.primal[n_u:]
        self.value = float(
            0.5 * w @ (e.hessian @ w) + self._joined_linear @ w + constant + 0.5 * xi @ xi + qp.penalty @ self.slack
        )
        gradient = (e.hessian @ w + self._joined_linear)[: s.n_states]
        np.add.at(gradient, qp.soft, self.multipliers)
        self.dual_equality = -qp.inverse[:, len(s.state) :].T @ (e.inverse.T @ gradient)[: s.shared.n_own]
        on_bound = self._moves & ~violated & (np.abs(self.multipliers) > _ACTIVE)
        sign = np.where(on_bound, np.sign(self.multipliers), sign)
        self.active = ActiveSet(
            ~self.held & (self.hard < -_ACTIVE), ~self.held & (self.hard > _ACTIVE), violated, on_bound, sign
        )

    def solution(self) -> QpSolution:
        """Solution in v of the agent's problem; entries of copies that nobody uses are zero."""
        s = self.structure
        v, hard = np.zeros(s.n_v), np.zeros(s.n_v)
        v[s.in_v] = self.w[s.in_w]
        hard[s.in_v[len(s.in_v) - s.n_inputs :]] = self.hard
        lower, upper = np.maximum(-self.multipliers, 0.0), np.maximum(self.multipliers, 0.0)
        return QpSolution(v, self.slack, self.dual_equality, hard, lower, upper, self.kkt_residual)


def _relative(new: np.ndarray, old: np.ndarray) -> float:
    return float(np.abs(new - old).max(initial=0.0) / (1.0 + np.abs(new).max(initial=0.0)))
