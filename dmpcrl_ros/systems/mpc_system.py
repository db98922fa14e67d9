# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Systems for MPC-based methods, with problems, parameters, costs, and published constants."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol, Self

import numpy as np

from dmpcrl_ros.core.agent import AgentSpec
from dmpcrl_ros.core.graph import CouplingGraph, NetworkError
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.spaces import Box
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.shared_entries import used_variables
from dmpcrl_ros.systems.learning_defaults import LearningDefaults
from dmpcrl_ros.systems.system import System


class AgentData(Protocol):
    """Dimensions and bounds of one agent."""

    @property
    def n_states(self) -> int:
        """n_x."""

    @property
    def n_inputs(self) -> int:
        """n_u."""

    @property
    def n_exogenous(self) -> int:
        """n_d, number of elements of the exogenous input."""

    @property
    def state_lower(self) -> np.ndarray:
        """Soft bound (n_x,); may be infinite."""

    @property
    def state_upper(self) -> np.ndarray:
        """Soft bound (n_x,); may be infinite."""

    @property
    def input_lower(self) -> np.ndarray:
        """Hard bound (n_u,)."""

    @property
    def input_upper(self) -> np.ndarray:
        """Hard bound (n_u,)."""

    @property
    def safe_input(self) -> np.ndarray:
        """Input (n_u,) for a step without a decision."""


class MpcHorizon(Protocol):
    """Horizon of the MPC of every system."""

    @property
    def horizon(self) -> int:
        """N, control steps."""

    @property
    def discount(self) -> float:
        """gamma, in (0, 1]."""


@dataclass(frozen=True, kw_only=True)
class MpcSystem(System):
    """A system with first models, costs and bounds, which define problems of MPC.

    Args:
        name: of the system.
        agent_names: in the order of the agents.
        graph: coupling of the agents.
        initial_state: of the plant (n,), stacked over agents.
        state_parts: entries of stacked states of each agent.
        input_parts: entries of stacked inputs of each agent.
        local: dimensions and bounds of each agent.
        structure: of their MPC.
        defaults: of coordination and learning.
        episode_length: control steps after which the plant restarts; 0 for one endless episode.
        period: duration of a control step [s], for clocks.
    """

    scenario_mpc_stiffness = 1.0  # factor of rho for scenario-based MPC

    name: str
    agent_names: tuple[str, ...]
    graph: CouplingGraph
    initial_state: np.ndarray
    state_parts: tuple[slice, ...]
    input_parts: tuple[slice, ...]
    local: tuple[AgentData, ...]
    structure: MpcHorizon
    defaults: LearningDefaults
    episode_length: int = 0
    period: float = 0.1

    @cached_property
    def agents(self) -> tuple[AgentSpec, ...]:
        """Name and spaces of each agent."""
        return tuple(
            AgentSpec(
                name=name,
                state=Box(data.state_lower, data.state_upper),
                action=Box(data.input_lower, data.input_upper),
                exogenous=Box(np.full(data.n_exogenous, -np.inf), np.full(data.n_exogenous, np.inf)),
                safe_action=data.safe_input,
            )
            for name, data in zip(self.agent_names, self.local, strict=True)
        )

    def trajectory_shapes(self, index: int) -> dict[int, tuple[int, int]]:
        """(N+1, n_x) of the trajectory of an agent and of each agent whose state it uses."""
        return {j: (self.structure.horizon + 1, self.local[j].n_states) for j in (index, *self.graph.parents[index])}

    def trajectory_places(self, index: int) -> dict[int, np.ndarray]:
        """Indices in v of the problem of an agent of its own trajectory and of its copy of each parent's."""
        sizes = {j: int(np.prod(shape)) for j, shape in self.trajectory_shapes(index).items()}
        ends = np.cumsum(list(sizes.values()))
        return {j: np.arange(end - size, end) for (j, size), end in zip(sizes.items(), ends, strict=True)}

    def shared_entries(self, index: int) -> np.ndarray:
        """Entries of the trajectory of an agent, stage by stage, that the problem of another agent uses.

        They depend on the structure of the problems only, not on their parameters.
        """
        used = [self._used(i)[self.trajectory_places(i)[index]] for i in self.graph.holders[index]]
        return np.flatnonzero(np.any(used, axis=0))

    @cached_property
    def _used(self) -> Callable[[int], np.ndarray]:
        return cache(lambda index: used_variables(self.local_problem(index)))

    def stacked(self, name: str) -> np.ndarray:
        """Stack a bound of all agents in their order."""
        return np.concatenate([getattr(data, name) for data in self.local])

    def exogenous_at(self, step: int) -> list[np.ndarray]:
        """Exogenous input (n_d,) of each agent at this step of an episode; empty in most systems."""
        return [np.zeros(0) for _ in self.local]

    @abstractmethod
    def parameters(self, index: int) -> tuple[ParameterLayout, np.ndarray]:
        """Names and initial values (p,) of the learnable parameters of an agent."""

    @abstractmethod
    def parameter_bounds(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (p,) of the parameters of an agent within which its problem is convex; infinite for none."""

    @property
    def cost_size(self) -> float:
        """Size of the stage cost of one agent, the same for all: that of states and inputs of their usual sizes."""
        return 1.0

    @property
    def operating_cost(self) -> float:
        """Stage cost of one agent, the same for all, that a run may have without harm; by default its size."""
        return self.cost_size

    def input_sizes(self, index: int) -> np.ndarray:
        """Usual sizes (n_u,) of the inputs of an agent, positive."""
        return np.ones(self.local[index].n_inputs)

    def parameter_sizes(self, index: int) -> np.ndarray:
        """Usual sizes (p,) of the parameters of an agent, positive; they follow the units of the description."""
        return np.ones(self.parameters(index)[0].size)

    def definite_parameters(self, index: int) -> dict[str, float]:
        """Names of the parameters of an agent that must be positive definite matrices.

        Its problem is then convex. Each name has the smallest allowed eigenvalue.
        """
        return {}

    @abstractmethod
    def local_problem(self, index: int) -> ParametricProblem:
        """Problem of one agent."""

    @abstractmethod
    def central_problem(self) -> ParametricProblem:
        """Problem of the whole network with the same terms.

        Its variables begin with the trajectories of all agents, and its parameters are those of the agents in order.
        """

    @abstractmethod
    def stage_costs(self, state: np.ndarray, action: np.ndarray, exogenous: Sequence[np.ndarray]) -> np.ndarray:
        """Stage costs L_i (n_agents,).

        Args:
            state: stacked (n,).
            action: stacked (m,).
            exogenous: inputs (n_d,) that belong to the states, by agent.
        """

    def violation(self, states: np.ndarray) -> np.ndarray:
        """Distance of each state from its bounds, (..., n); zero within them."""
        return np.maximum(self.stacked('state_lower') - states, 0.0) + np.maximum(
            states - self.stacked('state_upper'), 0.0
        )

    def for_baselines(self) -> Self:
        """Variant of the system for MPC without learning, as in the published comparisons."""
        return self

    def for_scenario_mpc(self) -> Self:
        """Variant of the system for scenario-based MPC, with further changes as published."""
        return self

    def model_parameters(self, index: int, *, exact: bool) -> np.ndarray:
        """theta_i (p,) of MPC without learning: the model, and no offsets.

        Args:
            index: of the agent.
            exact: whether to use the true dynamics instead of the first model of the description.

        Raises:
            NetworkError: the system has no such model.
        """
        raise NetworkError(f'{self.name}: nominal MPC does not support this kind of system')

    def sample_deviations(self, index: int, *, exact: bool, count: int, seed: int) -> np.ndarray:
        """Deviations (count, p) of the scenarios of one agent from its theta_i, drawn once for a run.

        A scenario has a model, drawn uniformly from the uncertainty, and a disturbance, drawn uniformly from the
        agent's noise. The disturbance is held over the horizon and enters as the offset b. The first scenarios do not
        depend on the number of scenarios or on the model.

        Args:
            index: of the agent.
            exact: whether the model is known, so that scenarios differ only in their disturbance.
            count: number of scenarios.
            seed: of the run; together with the agent it determines the draws.

        Raises:
            NetworkError: the system has no such model.
        """
        raise NetworkError(f'{self.name}: scenario-based MPC does not support this kind of system')
