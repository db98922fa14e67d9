# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A network of linear systems: true dynamics, costs and bounds, and the initial knowledge of its agents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.randomness import stream
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.systems.linear import models
from dmpcrl_ros.systems.linear.formulation import (
    LocalData,
    MpcStructure,
    central_problem,
    initial_parameters,
    local_problem,
    parameter_bounds,
    parameter_layout,
)
from dmpcrl_ros.systems.linear.sizes import VariableSizes, bound_size, parameter_sizes, stage_cost_size
from dmpcrl_ros.systems.mpc_system import MpcSystem


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """A model of one agent's dynamics, or a deviation from it.

    Args:
        a: A (n_x, n_x).
        b: B (n_x, n_u).
        coupling: A_j (n_x, n_xj) of each parent j.
    """

    a: np.ndarray
    b: np.ndarray
    coupling: Mapping[int, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class LinearNetwork(MpcSystem):
    """A network of linear systems.

    Its plant is `s+ = A s + B a + e`, e uniform, with stage costs
    `L_i = 1/2 (|s_i|^2_W + |a_i|^2_W + w' violation of the bounds)`.

    All arrays are stacked over agents in their order.

    Args:
        a: A (n, n), true.
        b: B (n, m), true.
        noise_lower: bound of e (n,).
        noise_upper: bound of e (n,).
        local: initial knowledge of each agent.
        uncertainty: for each agent, bounds on the deviation of the true dynamics from its model, element by element.
        structure: common to all agents.
    """

    # The multipliers that equalise the inputs of all scenarios are as large as the penalties of violated bounds. On the
    # chain, factors of 20 to 60 converge fastest, and 1 does not converge within a thousand rounds.
    scenario_mpc_stiffness = 40.0

    a: np.ndarray
    b: np.ndarray
    noise_lower: np.ndarray
    noise_upper: np.ndarray
    local: tuple[LocalData, ...]
    uncertainty: tuple[tuple[LocalModel, LocalModel], ...]
    structure: MpcStructure

    def parameters(self, index: int) -> tuple[ParameterLayout, np.ndarray]:
        """Names and initial values (p,) of theta_i."""
        data = self.local[index]
        return parameter_layout(data, self.structure), initial_parameters(data, self.structure)

    def parameter_bounds(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (p,) of theta_i."""
        return parameter_bounds(self.local[index], self.structure)

    @cached_property
    def _sizes(self) -> VariableSizes:
        a, b = models.first_model(self)
        return VariableSizes(
            a=a,
            b=b,
            initial_state=self.initial_state,
            noise=np.maximum(np.abs(self.noise_lower), np.abs(self.noise_upper)),
            state_bound=bound_size(self.stacked('state_lower'), self.stacked('state_upper')),
            input_bound=bound_size(self.stacked('input_lower'), self.stacked('input_upper')),
            horizon=self.structure.horizon,
        )

    @cached_property
    def cost_size(self) -> float:
        """Mean stage cost of the agents with states and inputs of their sizes."""
        return self._mean_cost(self._sizes.states)

    @cached_property
    def operating_cost(self) -> float:
        """Mean stage cost of the agents with states that first state and noise reach without inputs."""
        return self._mean_cost(self._sizes.undriven)

    def _mean_cost(self, states: np.ndarray) -> float:
        parts, inputs = zip(self.local, self.state_parts, self.input_parts, strict=True), self._sizes.inputs
        return float(np.mean([stage_cost_size(data, states[x], inputs[u]) for data, x, u in parts]))

    def input_sizes(self, index: int) -> np.ndarray:
        """Sizes of the inputs of one agent (n_u,)."""
        return self._sizes.inputs[self.input_parts[index]]

    def parameter_sizes(self, index: int) -> np.ndarray:
        """Sizes (p,) of theta_i."""
        states = {j: self._sizes.states[self.state_parts[j]] for j in (index, *self.graph.parents[index])}
        changes = self._sizes.changes[self.state_parts[index]]
        inputs, data = self.input_sizes(index), self.local[index]
        return parameter_sizes(data, self.structure, states, index, inputs, changes, self.cost_size)

    def local_problem(self, index: int) -> ParametricProblem:
        """The problem of one agent."""
        return local_problem(self.local[index], self.structure)

    def central_problem(self) -> ParametricProblem:
        """The problem of the whole network."""
        return central_problem(list(self.local), self.structure)

    def stage_costs(self, state: np.ndarray, action: np.ndarray, exogenous: Sequence[np.ndarray] = ()) -> np.ndarray:
        """L_i (n_agents,)."""
        state_weight, input_weight, violation_weight = self._weights
        of_states = state_weight * state**2 + violation_weight * self.violation(state)
        of_inputs = input_weight * action**2
        return 0.5 * np.array(
            [of_states[x].sum() + of_inputs[u].sum() for x, u in zip(self.state_parts, self.input_parts, strict=True)]
        )

    @cached_property
    def _weights(self) -> tuple[np.ndarray, ...]:
        return tuple(self.stacked(name) for name in ('state_weight', 'input_weight', 'violation_weight'))

    def for_scenario_mpc(self) -> 'LinearNetwork':
        """Without discount, as published."""
        return replace(self, structure=replace(self.structure, discount=1.0))

    def model_parameters(self, index: int, *, exact: bool) -> np.ndarray:
        """theta_i (p,) of the model, without offsets."""
        return models.model_parameters(self, index, exact=exact)

    def sample_deviations(self, index: int, *, exact: bool, count: int, seed: int) -> np.ndarray:
        """Deviations (count, p) of the scenarios of one agent."""
        return models.sample_deviations(self, index, exact=exact, count=count, seed=seed)

    def plant(self, seed: int) -> 'LinearPlant':
        """True network with the noise of `seed`."""
        return LinearPlant(self, seed)

    def dynamics(self, index: int) -> LocalModel:
        """True dynamics of one agent."""
        x, u = self.state_parts[index], self.input_parts[index]
        return LocalModel(
            a=self.a[x, x],
            b=self.b[x, u],
            coupling={j: self.a[x, self.state_parts[j]] for j in self.graph.parents[index]},
        )


class LinearPlant:
    """The true network in closed loop.

    Args:
        network: the description.
        seed: of the noise.
    """

    def __init__(self, network: LinearNetwork, seed: int):
        self.network = network
        self._input_lower, self._input_upper = network.stacked('input_lower'), network.stacked('input_upper')
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Return to the initial state, with the noise of `seed` from its beginning."""
        self._noise = stream(seed, 'noise')
        self.begin_episode(0)

    def begin_episode(self, index: int) -> None:
        """Return to the initial state, with the next noise."""
        self.state = self.network.initial_state.copy()

    def observe(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """State of each agent (n_x,), without exogenous inputs."""
        return [self.state[part].copy() for part in self.network.state_parts], self.network.exogenous_at(0)

    def step(self, actions: Sequence[np.ndarray]) -> np.ndarray:
        """Apply the inputs of all agents for one control step and return their stage costs L_i (n_agents,).

        Inputs are saturated at their bounds, as actuators are.

        Raises:
            ArithmeticError: the state has left the range of numbers.
        """
        action = np.clip(np.concatenate(actions), self._input_lower, self._input_upper)
        costs = self.network.stage_costs(self.state, action)
        noise = self._noise.uniform(self.network.noise_lower, self.network.noise_upper)
        self.state = self.network.a @ self.state + self.network.b @ action + noise
        if not np.isfinite(self.state).all():
            raise ArithmeticError('the state of the plant is no longer finite: the closed loop has diverged')
        return costs
