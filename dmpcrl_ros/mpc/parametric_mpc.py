# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A parametrised controller: value, action and sensitivities of one problem at the current parameters."""

from dataclasses import dataclass, replace

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.mpc.augmented import AugmentedProgramme
from dmpcrl_ros.mpc.compiled import compile_problem
from dmpcrl_ros.mpc.condensed import CondensedQp, LocalStructure
from dmpcrl_ros.mpc.coordination import Request
from dmpcrl_ros.mpc.parameter_map import MappedParameters, ParameterMap
from dmpcrl_ros.mpc.parametrised import Parametrised
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.programme import QpData, QpSolution
from dmpcrl_ros.mpc.solver import QpFailure


@dataclass(frozen=True)
class Sensitivities:
    """Derivatives of the Lagrangian in theta.

    Args:
        gradient: (p,).
        hessian: (p, p); None if it was not requested.
    """

    gradient: np.ndarray
    hessian: np.ndarray | None


class ParametricMpc(Parametrised):
    """Evaluates one ParametricProblem: an agent's own, or the centralised one of the whole network.

    The programme is built once per theta and kept; `begin` selects the state (and, for Q, the action), and `solve`
    solves it for the linear term of each iteration of ADMM.

    Args:
        problem: the expressions.
        layout: names of theta.
        theta: initial parameters (p,).
        rho: penalty of the augmented Lagrangian on the first `n_consensus` variables (own trajectory and copies).
        n_consensus: number of those variables; 0 for a problem without neighbours.
        structure: places of the variables for `request`, by which the problem is then evaluated; None to evaluate it
            by `begin` and `solve`.
    """

    def __init__(
        self,
        problem: ParametricProblem,
        layout: ParameterLayout,
        theta: np.ndarray,
        *,
        rho: float = 0.0,
        n_consensus: int = 0,
        structure: LocalStructure | None = None,
    ):
        super().__init__(layout)
        self._structure = structure
        self.n_consensus = n_consensus
        self.problem = problem
        self._rho = rho
        self._exogenous = self._no_exogenous = np.zeros(problem.exogenous.numel())
        self._matrices, self._vectors, self._gradient, self._second = compile_problem(problem)
        self.theta = theta

    def _build(self, theta: np.ndarray) -> None:
        p = self.problem
        mapped = _mapped(p.parameter_map, theta)
        phi = theta if mapped is None else mapped.value
        hessian, equality, lower, upper, penalty = (np.array(part) for part in self._matrices(phi))
        linear, constant, value = (np.array(part) for part in self._vectors(phi, self._exogenous))
        data = QpData(
            hessian,
            linear,
            float(constant[0]),
            equality,
            value,
            p.hard_lower,
            p.hard_upper,
            p.soft,
            lower,
            upper,
            penalty,
        )
        if self._structure:
            self._condensed = CondensedQp(self._structure, data)
        else:
            self._augmented = AugmentedProgramme(p, data, self._rho, self.n_consensus)
        self._data, self._mapped, self._phi = data, mapped, phi.copy()
        self._jacobian: np.ndarray | None = None

    def use(self, structure: LocalStructure) -> None:
        """Make further requests with other places of the variables."""
        if structure is not self._structure:
            self._condensed = CondensedQp(structure, self._data)
            self._structure = structure

    @property
    def programme(self) -> QpData:
        """The quadratic programme at the current parameters."""
        return self._data

    def begin(
        self,
        state: np.ndarray,
        action: np.ndarray | None = None,
        perturbation: np.ndarray | None = None,
        exogenous: np.ndarray | None = None,
    ) -> None:
        """Start an evaluation of V(state), or of Q(state, action).

        `value` and `sensitivities` of its solution belong to the exogenous input given here: call them before the next
        evaluation.

        Args:
            state: s (n_x,).
            action: first input (n_u,); None leaves it free (V and the policy).
            perturbation: q (n_u,), adds q'u(0) to the objective (exploration; not part of `value`).
            exogenous: d (n_d,); None for zeros.

        Raises:
            QpFailure: the state, action or exogenous input is not finite.
        """
        self._augmented.begin(self._evaluated(exogenous, perturbation), state, action)

    def request(
        self,
        state: np.ndarray,
        action: np.ndarray | None = None,
        exogenous: np.ndarray | None = None,
        perturbation: np.ndarray | None = None,
    ) -> Request:
        """Evaluation of V(state), or of Q(state, action), for a coordination method; arguments as of `begin`.

        Raises:
            QpFailure: the exogenous input is not finite.
        """
        data = self._evaluated(exogenous, perturbation)
        return Request(self._condensed if self._structure else None, data, state, action)

    def _evaluated(self, exogenous: np.ndarray | None, perturbation: np.ndarray | None) -> QpData:
        """The programme with the linear terms of one evaluation."""
        self.set_exogenous(exogenous)
        data = replace(self._data)
        if perturbation is not None:
            data.linear = data.linear.copy()
            data.linear[self.problem.action] += perturbation
        return data

    def set_exogenous(self, exogenous: np.ndarray | None) -> None:
        """Update the terms that depend on the exogenous input (n_d,), without a new setup of the programme.

        Args:
            exogenous: d (n_d,); None for zeros.

        Raises:
            QpFailure: it is not finite.
        """
        exogenous = self._no_exogenous if exogenous is None else exogenous
        if exogenous.shape != self._no_exogenous.shape or not np.isfinite(exogenous).all():
            raise QpFailure(f'the exogenous input must be {self._no_exogenous.size} finite numbers')
        if np.array_equal(exogenous, self._exogenous):
            return
        self._exogenous = exogenous.copy()
        linear, constant, value = self._vectors(self._phi, exogenous)
        data = self._data
        data.linear, data.constant, data.equality_value = linear.copy(), float(constant[0]), value.copy()

    def solve(self, linear: np.ndarray | float = 0.0) -> np.ndarray:
        """Own trajectory and copies (n_consensus,) that minimise `objective + linear'x + rho/2 |x|^2`.

        Raises:
            QpFailure: there is no solution.
        """
        return self._augmented.solve(linear)

    def solution(self) -> QpSolution:
        """Primal-dual solution of the last solve.

        Raises:
            QpFailure: it violates the optimality conditions.
        """
        return self._augmented.solution()

    def value(self, solution: QpSolution) -> float:
        """Objective with its penalties, without the terms of the augmented Lagrangian and of exploration."""
        return self._data.value(solution)

    def sensitivities(self, solution: QpSolution, second_order: bool = False) -> Sensitivities:
        """Derivatives in theta of the Lagrangian at a fixed primal-dual point (paper 001, equation (19))."""
        arguments = (
            solution.primal,
            self._phi,
            self._exogenous,
            solution.slack,
            solution.dual_equality,
            solution.dual_soft_lower,
            solution.dual_soft_upper,
        )
        gradient = self._gradient(*arguments)[0].copy()
        hessian = self._second(*arguments)[0].copy() if second_order else None
        if self._mapped is None:
            return Sensitivities(gradient, hessian)
        if self._jacobian is None:  # once for each theta
            self._jacobian = self._mapped.jacobian
        if hessian is not None:
            hessian = self._jacobian.T @ hessian @ self._jacobian + self._mapped.curvature(gradient)
        return Sensitivities(self._jacobian.T @ gradient, hessian)

    def action(self, solution: QpSolution) -> np.ndarray:
        """First input (n_u,)."""
        return solution.primal[self.problem.action]

    def inputs(self, solution: QpSolution) -> np.ndarray:
        """Planned inputs (N, n_u)."""
        return solution.primal[self.problem.inputs]

    def trajectory(self, solution: QpSolution) -> np.ndarray:
        """Predicted states (N+1, n_x)."""
        return solution.primal[self.problem.trajectory]


def _mapped(parameter_map: ParameterMap | None, theta: np.ndarray) -> MappedParameters | None:
    try:
        return parameter_map.at(theta) if parameter_map else None
    except ArithmeticError as error:
        raise QpFailure(str(error)) from None
