# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One evaluation of an agent's condensed programme, joined to models of the network behind its edges."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from dmpcrl_ros.mpc.active_set import ActiveSet
from dmpcrl_ros.mpc.condensed import CondensedQp, Eliminated, LocalStructure, eliminate
from dmpcrl_ros.mpc.edge_model import EdgeModel
from dmpcrl_ros.mpc.programme import QpData, QpSolution
from dmpcrl_ros.mpc.soft_rows import SoftRowsQp, SoftRowsSolution
from dmpcrl_ros.mpc.solver import QpFailure

_MOVED = 1e-11  # norm from which a soft row depends on the decision


class LocalEvaluation(ABC):
    """V(state) or Q(state, action) of one agent, solved again and again as the models of its neighbours change.

    Attributes:
        kind: name of the exchange with the neighbours.
        model: class of the models of the network behind the edges of the tree.
        models: these models, by neighbour.
        w: [S; u] of the solution.
        multipliers: of the soft rows (r,), positive at the upper bounds.
        relation_multipliers: derivatives (n_s,) of the value in the constants of the relations that determine S.
        active: active bounds of the inputs and of the soft rows; None before the first solution.

    Args:
        structure: places of the variables.
        resolution: of the models of the neighbours (see EdgeModel).
        unreached: shared entries of the trajectories of parents that are not reached, which stay as they are.
    """

    kind: ClassVar[str]
    model: ClassVar[type[EdgeModel]]
    w: np.ndarray
    relation_multipliers: np.ndarray

    def __init__(self, structure: LocalStructure, resolution: float, unreached: Mapping[int, np.ndarray]):
        self.structure, shared = structure, structure.shared
        self._unreached = unreached
        self.models: Mapping[int, EdgeModel] = {
            j: self.model(len(shared.ours[j]), len(shared.theirs[j]), resolution) for j in shared.theirs
        }
        self._prepared: tuple[Eliminated, SoftRowsQp] | None = None
        self._key: tuple[object, ...] = ()
        self._solved, self.dual_equality = False, np.zeros(0)
        self._numbers: tuple[np.ndarray, ...] = ()
        self.active = ActiveSet.none(structure.n_inputs, 0)

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
        if len(self.active.on_bound) != len(qp.soft):
            self.active = ActiveSet.none(s.n_inputs, len(qp.soft))
        self.lower, self.upper = qp.lower, qp.upper
        if action is not None:
            self.lower, self.upper = qp.lower.copy(), qp.upper.copy()
            self.lower[s.action] = self.upper[s.action] = action
        self._solved = False

    @property
    def value(self) -> float:
        """Optimal value, models included."""
        return self._own_value + sum(model.constant for model in self.models.values())

    def solve(self) -> float:
        """Solve the programme with the present models.

        Returns:
            Largest change of the trajectories and of the relation multipliers since the former solution of this
            evaluation, relative to one plus their size; infinite for the first, zero if no model has changed or the
            agent has no neighbours. The multipliers of trajectories that only pass through this agent are among them:
            they go into its messages.

        Raises:
            QpFailure: there is no solution, or it is not finite.
        """
        numbers = tuple(model.numbers for model in self.models.values())
        if self._solved and same(numbers, self._numbers):
            return 0.0
        before, self._numbers = (self.w, self.relation_multipliers) if self._solved else None, numbers
        self._solved = False
        e, solver = self._prepare()
        constants, self._joined_linear = self._join(self.models)
        offset = e.offset(constants)
        linear = e.directions.T @ (self._joined_linear + e.hessian @ offset)
        found = self._minimise(solver, linear, offset)
        self._collect(e, found, offset)
        if not (np.isfinite(self.value) and np.isfinite(self.w).all() and np.isfinite(self.relation_multipliers).all()):
            raise QpFailure('the solution is not finite')
        self._solved = True
        if before is None:
            return np.inf if self.models else 0.0
        return max(_relative(new, old) for new, old in zip((self.w, self.relation_multipliers), before, strict=True))

    def _prepare(self) -> tuple[Eliminated, SoftRowsQp]:
        """Parts that depend on theta and on the matrices of the models only."""
        key = (self.qp, *(model.matrices for model in self.models.values()))
        if self._prepared is None or not same(key, self._key):
            e = eliminate(self.qp, self.models, np.zeros(self.structure.n_inputs, dtype=bool), np.zeros(0, dtype=int))
            rows = e.directions[self.qp.soft]
            moves = (np.linalg.norm(rows, axis=1) > _MOVED) & (self.qp.penalty > 0.0)
            solver = SoftRowsQp(
                e.reduced, rows[moves], self.qp.penalty[moves], self._last_active(len(e.reduced), moves)
            )
            self._moves = moves
            self._prepared, self._key = (e, solver), key
        return self._prepared

    def _last_active(self, size: int, moves: np.ndarray) -> ActiveSet:
        """Active set of the last solution, for a solver of `size` variables and some of the soft rows."""
        held = np.concatenate([self.active.held, np.zeros(size - self.structure.n_inputs)])
        return ActiveSet(held, self.active.on_bound[moves], self.active.violated[moves])

    def _join(self, models: Mapping[int, EdgeModel]) -> tuple[np.ndarray, np.ndarray]:
        """Constants of the relations in S, and linear term in w."""
        shared, constants, linear = self.structure.shared, np.zeros(self.structure.n_states), self.linear.copy()
        constants[: shared.n_own] = self.free
        for owner, entries in self._unreached.items():
            constants[shared.blocks[owner]] = entries
        for j, model in models.items():
            constants[shared.theirs[j]] = model.offset
            linear[shared.ours[j]] += model.gradient
        return constants, linear

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

    def _collect(self, e: Eliminated, found: SoftRowsSolution, offset: np.ndarray) -> None:
        """Variables, multipliers and active set of a solution."""
        qp, s, n_u = self.qp, self.structure, self.structure.n_inputs
        w = self.w = offset + e.directions @ found.primal
        w[s.state] = self.state
        above, below = w[qp.soft] - qp.soft_upper, qp.soft_lower - w[qp.soft]
        self.slack = np.maximum(np.maximum(above, below), 0.0)
        violated = np.where(self.slack > 0.0, np.where(above >= below, 1.0, -1.0), 0.0)
        on_bound = np.zeros(len(violated))
        violated[self._moves], on_bound[self._moves] = found.active.violated, found.active.on_bound
        self.multipliers = violated * qp.penalty
        self.multipliers[self._moves] = np.where(found.active.violated, self.multipliers[self._moves], found.dual_rows)
        self.active = ActiveSet(found.active.held[:n_u], on_bound, violated)
        self.hard, self.kkt_residual = found.dual_bounds[:n_u], found.kkt_residual
        xi = found.primal[n_u:]
        curved = 0.5 * w @ (e.hessian @ w) + 0.5 * xi @ xi
        self._own_value = float(curved + self._joined_linear @ w + self.constant + qp.penalty @ self.slack)
        gradient = (e.hessian @ w + self._joined_linear)[: s.n_states]
        np.add.at(gradient, qp.soft, self.multipliers)
        self.relation_multipliers = e.inverse.T @ gradient
        self.dual_equality = -qp.inverse[:, len(s.state) :].T @ self.relation_multipliers[: s.shared.n_own]

    @abstractmethod
    def message(self, neighbour: int) -> np.ndarray:
        """Message (model.size,) to a neighbour about this side of the edge.

        Raises:
            QpFailure: it is not finite, or cannot be determined.
        """

    def solution(self) -> QpSolution:
        """Solution in v of the agent's problem; entries of copies that nobody uses are zero."""
        s = self.structure
        v, hard = np.zeros(s.n_v), np.zeros(s.n_v)
        v[s.in_v] = self.w[s.in_w]
        hard[s.in_v[len(s.in_v) - s.n_inputs :]] = self.hard
        lower, upper = np.maximum(-self.multipliers, 0.0), np.maximum(self.multipliers, 0.0)
        return QpSolution(v, self.slack, self.dual_equality, hard, lower, upper, self.kkt_residual)


def same(objects: Sequence[object], others: Sequence[object]) -> bool:
    """Whether two sequences of one length are of the same objects."""
    return all(a is b for a, b in zip(objects, others, strict=True))


def _relative(new: np.ndarray, old: np.ndarray) -> float:
    return float(np.abs(new - old).max(initial=0.0) / (1.0 + np.abs(new).max(initial=0.0)))
