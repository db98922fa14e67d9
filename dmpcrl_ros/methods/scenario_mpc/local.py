# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Scenario-based stochastic MPC of one agent, coordinated with its neighbours by ADMM.

The network minimises the mean cost of S scenarios with one sequence of inputs for all of them::

    minimise 1/S sum_s sum_i F_i^s(x_i^s, {x_j^s}, u_i^s)   s.t.   u_i^s = u_i^r for all s, r

where F_i^s is the problem of agent i, with its constraints, at the parameters of its scenario s. Scenario s of an agent
is coupled to scenario s of its neighbours. The equality of the inputs of all scenarios is a further consensus, within
the agent, beside that of the trajectories and their copies. ADMM with the penalty rho/S on all of them separates into
one small problem for each scenario::

    minimise 1/S F_i^s(v) + y'v + rho/(2S) |v - z|^2,   v = [x_i^s; {x_j^s}; u_i^s].

This is ADMM of a convex problem whose variables all appear in the consensus. Its limit is the minimiser of the problem
above, and y are the multipliers of the mean cost. Multiplied by S, the small problem is that of F with rho and S y: the
weights 1/S of the cost and of rho cancel, and only the multipliers must be scaled.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.mpc.parametrised import Parametrised
from dmpcrl_ros.mpc.programme import QpSolution


@dataclass(frozen=True)
class ScenarioSolution:
    """Solution of all scenarios.

    Args:
        scenarios: solutions of the last local updates.
        inputs: mean over the scenarios (N, n_u).
        kkt_residual: largest violation of the optimality conditions of all scenarios.
    """

    scenarios: tuple[QpSolution, ...]
    inputs: np.ndarray
    kkt_residual: float


class ScenarioMpc(Parametrised):
    """Solves S versions of one agent's problem for each linear term.

    Args:
        mpc: problem at the agent's own parameters, with ADMM's penalty rho on all its variables.
        deviations: (S, p) of each scenario's parameters from the agent's.
        shapes: (N+1, n_x) of the agent's trajectory and of each copy, in the order of the problem's variables.
    """

    def __init__(self, mpc: ParametricMpc, deviations: np.ndarray, shapes: Sequence[tuple[int, int]]):
        super().__init__(mpc.layout)
        self._prototype, self._deviations = mpc, deviations
        self._places = _places(len(deviations), [rows * columns for rows, columns in shapes], mpc.n_consensus)
        self.theta = mpc.theta

    def _build(self, theta: np.ndarray) -> None:
        members = []
        for deviation in self._deviations:
            member = copy.copy(self._prototype)  # shares the compiled functions
            member.theta = theta + deviation
            members.append(member)
        self._members = members

    def begin(
        self, state: np.ndarray, action: np.ndarray | None = None, *, exogenous: np.ndarray | None = None
    ) -> None:
        """Start an evaluation of all scenarios at a state; an action fixes their first input.

        Args:
            state: (n_x,).
            action: (n_u,); None leaves it free.
            exogenous: d (n_d,); None for zeros.

        Raises:
            QpFailure: a value is not finite.
        """
        for member in self._members:
            member.begin(state, action, exogenous=exogenous)

    def solve(self, linear: np.ndarray) -> np.ndarray:
        """Minimise `1/S sum_s F^s(x^s) + linear'x + rho/(2S) |x|^2` over x.

        x is stacked as in ADMM: the own trajectory in all scenarios, each copy in all scenarios, then the inputs in all
        scenarios.

        Raises:
            QpFailure: a scenario has no solution.
        """
        found = np.empty(len(linear))
        scaled = len(self._members) * linear
        for member, places in zip(self._members, self._places, strict=True):
            found[places] = member.solve(scaled[places])
        return found

    def solution(self) -> ScenarioSolution:
        """Solution of the last solve.

        Raises:
            QpFailure: the solution of a scenario violates the optimality conditions.
        """
        found = tuple(member.solution() for member in self._members)
        inputs = np.mean([member.inputs(each) for member, each in zip(self._members, found, strict=True)], axis=0)
        return ScenarioSolution(found, inputs, max(each.kkt_residual for each in found))

    def value(self, solution: ScenarioSolution) -> float:
        """Mean of the scenarios' objectives with their penalties, without the terms of ADMM."""
        return float(
            np.mean([member.value(each) for member, each in zip(self._members, solution.scenarios, strict=True)])
        )

    def action(self, solution: ScenarioSolution) -> np.ndarray:
        """First input (n_u,)."""
        return solution.inputs[0]

    def inputs(self, solution: ScenarioSolution) -> np.ndarray:
        """Planned inputs (N, n_u)."""
        return solution.inputs


def _places(count: int, blocks: Sequence[int], n_variables: int) -> np.ndarray:
    """Indices of the variables of each scenario in the stacked vector, (count, n_variables).

    Each block has all scenarios one after the other. The last block has the inputs.
    """
    sizes = [*blocks, n_variables - sum(blocks)]
    starts = np.cumsum([0, *sizes])
    return np.hstack(
        [
            count * start + np.arange(count * size).reshape(count, size)
            for start, size in zip(starts, sizes, strict=False)
        ]
    )
