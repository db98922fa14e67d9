# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Scenario-based stochastic MPC of the whole network in its inputs alone.

All scenarios share one sequence of inputs u, which determines their states: the variables of scenario s are v^s = P^s u
+ R^s x(0) + r^s, where P^s, R^s and r^s do not change during a run. The condensed problem has the inputs over the
horizon as its variables, whatever the number of scenarios, and a soft row for each bounded state, stage and scenario.
"""

from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.mpc.parametrised import Parametrised
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.programme import QpData
from dmpcrl_ros.mpc.soft_rows import SoftRowsQp
from dmpcrl_ros.mpc.solver import QpFailure


@dataclass(frozen=True)
class InputSolution:
    """Solution in the inputs alone.

    Args:
        inputs: (N, m).
        kkt_residual: largest violation of the optimality conditions.
    """

    inputs: np.ndarray
    kkt_residual: float


class CentralScenarioMpc(Parametrised):
    """Minimises the mean cost of S scenarios of the whole network over its inputs.

    Args:
        problem: of the network.
        layout: names of its parameters.
        theta: parameters of the network (p,).
        deviations: (S, p) of each scenario's parameters from the network's.
    """

    def __init__(self, problem: ParametricProblem, layout: ParameterLayout, theta: np.ndarray, deviations: np.ndarray):
        super().__init__(layout)
        self._programmes, self._deviations = ParametricMpc(problem, layout, theta), deviations
        self._inputs, self._state = problem.inputs, problem.state
        self._exogenous = np.zeros(problem.exogenous.numel())
        self.theta = theta

    def _build(self, theta: np.ndarray) -> None:
        scenarios = []
        for deviation in self._deviations:
            self._programmes.theta = theta + deviation
            scenarios.append(_Scenario(self._programmes.programme, self._inputs.ravel(), self._state))
        self._condense(scenarios)

    def _condense(self, scenarios: list['_Scenario']) -> None:
        """Condense the programme to the inputs: linear term and rows are affine in the state."""
        count = len(scenarios)
        rows = np.vstack([each.by_input[each.data.soft] for each in scenarios])
        self._decided = rows.any(axis=1)  # the others are constants
        self._qp = SoftRowsQp(
            np.mean([each.hessian for each in scenarios], axis=0),
            rows[self._decided],
            np.concatenate([each.data.penalty / count for each in scenarios])[self._decided],
        )
        self._linear_by_state = np.mean([each.linear_by_state for each in scenarios], axis=0)
        self._linear = np.mean([each.linear for each in scenarios], axis=0)
        self._rows_by_state = np.vstack([each.by_state[each.data.soft] for each in scenarios])[self._decided]
        offset = np.concatenate([each.constant[each.data.soft] for each in scenarios])[self._decided]
        self._row_lower, self._row_upper = (
            np.concatenate([getattr(each.data, side) for each in scenarios])[self._decided] - offset
            for side in ('soft_lower', 'soft_upper')
        )
        self._lower, self._upper = (
            getattr(scenarios[0].data, side)[self._inputs.ravel()] for side in ('lower', 'upper')
        )
        self._scenarios = scenarios

    def begin(
        self, state: np.ndarray, action: np.ndarray | None = None, *, exogenous: np.ndarray | None = None
    ) -> None:
        """Start an evaluation at a state; an action fixes the first input.

        Args:
            state: (n,).
            action: (m,); None leaves it free.
            exogenous: exogenous input of this step (n_d,); None for zeros. A new one requires a new setup of the
                programme.

        Raises:
            QpFailure: a value is not finite.
        """
        exogenous = np.zeros(len(self._exogenous)) if exogenous is None else exogenous
        if not np.array_equal(exogenous, self._exogenous):
            self._programmes.begin(state, exogenous=exogenous)
            self._exogenous, self.theta = exogenous.copy(), self._theta
        if not np.isfinite(state).all() or (action is not None and not np.isfinite(action).all()):
            raise QpFailure('the state or action is not finite')
        self._at, self._bounds = state, (self._lower, self._upper)
        if action is not None:
            self._bounds = (
                np.concatenate([action, self._lower[len(action) :]]),
                np.concatenate([action, self._upper[len(action) :]]),
            )

    def solve(self, linear: np.ndarray | float = 0.0) -> np.ndarray:
        """Minimise the mean cost. Without neighbours, `linear` and the result are empty.

        Raises:
            QpFailure: there is no solution.
        """
        offset = self._rows_by_state @ self._at
        found = self._qp.solve(
            self._linear + self._linear_by_state @ self._at,
            *self._bounds,
            self._row_lower - offset,
            self._row_upper - offset,
        )
        self._solution = InputSolution(found.primal.reshape(self._inputs.shape), found.kkt_residual)
        return np.zeros(0)

    def solution(self) -> InputSolution:
        """Solution of the last solve."""
        return self._solution

    def value(self, solution: InputSolution) -> float:
        """Mean of the scenarios' objectives with their penalties."""
        return float(np.mean([each.value(solution.inputs.ravel(), self._at) for each in self._scenarios]))

    def action(self, solution: InputSolution) -> np.ndarray:
        """First input (m,)."""
        return solution.inputs[0]

    def inputs(self, solution: InputSolution) -> np.ndarray:
        """Planned inputs (N, m)."""
        return solution.inputs


class _Scenario:
    """Programme of one scenario in terms of the inputs.

    Its variables are v = by_input u + by_state x(0) + constant; the other fields are its objective 1/2 v'Hv + q'v in
    terms of them.
    """

    def __init__(self, data: QpData, inputs: np.ndarray, state: np.ndarray):
        self.data = data
        n = len(data.linear)
        dependent = np.setdiff1d(np.arange(n), np.concatenate([inputs, state]))
        self.by_input, self.by_state, self.constant = np.zeros((n, len(inputs))), np.zeros((n, len(state))), np.zeros(n)
        self.by_input[inputs, np.arange(len(inputs))] = self.by_state[state, np.arange(len(state))] = 1.0
        inverse = np.linalg.inv(data.equality[:, dependent])  # of an identity minus the part above the diagonal
        self.by_input[dependent] = -inverse @ data.equality[:, inputs]
        self.by_state[dependent] = -inverse @ data.equality[:, state]
        self.constant[dependent] = inverse @ data.equality_value
        self.hessian = self.by_input.T @ data.hessian @ self.by_input
        self.linear_by_state = self.by_input.T @ data.hessian @ self.by_state
        self.linear = self.by_input.T @ (data.hessian @ self.constant + data.linear)

    def value(self, inputs: np.ndarray, state: np.ndarray) -> float:
        """Objective with its penalties."""
        data, v = self.data, self.by_input @ inputs + self.by_state @ state + self.constant
        bounded = v[data.soft]
        violation = np.maximum(np.maximum(bounded - data.soft_upper, data.soft_lower - bounded), 0.0)
        return float(0.5 * v @ data.hessian @ v + data.linear @ v + data.constant + data.penalty @ violation)
