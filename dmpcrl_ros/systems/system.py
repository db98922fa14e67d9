"""What a scenario is to the rest of the house: agents, their coupling and problems, and a plant to close the loop."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dmpcrl_ros.core.graph import CouplingGraph, NetworkError
from dmpcrl_ros.mpc.parameters import ParameterLayout
from dmpcrl_ros.mpc.problem import ParametricProblem


@dataclass(frozen=True, kw_only=True)
class LearningDefaults:
    """A scenario's published constants of coordination and learning.

    `learning_rate` is that of first-order learning; `second_order_rate` and `regularisation` (alpha and sigma of paper
    000) belong to second-order learning.
    """

    rho: float = 0.5
    admm_iterations: int = 50
    learning_rate: float = 6e-5
    second_order_rate: float = 1e-4
    regularisation: float = 1e-3
    learning_rate_decay: float = 1.0
    update_every: int = 1
    replay_capacity: int = 100
    replay_sample: int = 15
    replay_latest: int = 10
    exploration_probability: float = 0.0
    exploration_decay: float = 1.0
    exploration_strength: float = 1.0


class AgentData(Protocol):
    """Dimensions and bounds of one agent: state bounds (n_x,), soft, may be infinite; input bounds (n_u,), hard; the
    input (n_u,) where no decision is to be had; number of elements of the exogenous input that it is told with its state."""

    n_states: int
    n_inputs: int
    n_exogenous: int
    state_lower: np.ndarray
    state_upper: np.ndarray
    input_lower: np.ndarray
    input_upper: np.ndarray
    safe_input: np.ndarray


class MpcHorizon(Protocol):
    """What every scenario's MPC has: N control steps ahead, discounted by gamma per step."""

    horizon: int
    discount: float


class Plant(Protocol):
    """The true network; `state` (n,) is stacked over agents."""

    state: np.ndarray

    def reset(self, seed: int) -> None:
        """Back to the initial state, with the noise of `seed` from its beginning."""

    def restart(self) -> None:
        """Begin an episode: back to the initial state; the noise goes on."""

    def states(self) -> list[np.ndarray]:
        """State of each agent (n_x,)."""

    def exogenous(self) -> list[np.ndarray]:
        """What each agent is told with its state (n_d,)."""

    def step(self, actions: Sequence[np.ndarray]) -> np.ndarray:
        """Apply the inputs of all agents, saturated at their bounds, for one control step.

        Returns:
            stage costs L_i (n_agents,).

        Raises:
            ArithmeticError: the state has left the range of numbers.
        """


@dataclass(frozen=True, kw_only=True)
class Scenario(ABC):
    """A network of agents with their first models, costs and bounds, and the plant that they control.

    Args:
        name, agents: of the scenario and, in their order, of its agents.
        graph: who uses whose state.
        initial_state: of the plant (n,), stacked over agents.
        state_parts, input_parts: which entries of stacked states and inputs are whose.
        local: dimensions and bounds of each agent.
        structure: of their MPC.
        defaults: of coordination and learning.
        episode_length: control steps after which the plant begins again; 0 for one endless episode.
        period: time of a control step [s], for clocks.
    """

    name: str
    agents: tuple[str, ...]
    graph: CouplingGraph
    initial_state: np.ndarray
    state_parts: tuple[slice, ...]
    input_parts: tuple[slice, ...]
    local: tuple[AgentData, ...]
    structure: MpcHorizon
    defaults: LearningDefaults
    episode_length: int = 0
    period: float = 0.1

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.agents)

    def index(self, agent: str) -> int:
        """Position of an agent.

        Raises:
            NetworkError: there is no agent of this name.
        """
        if agent not in self.agents:
            raise NetworkError(f'{self.name} has no agent {agent!r}; it has {", ".join(self.agents)}')
        return self.agents.index(agent)

    def trajectory_shapes(self, index: int) -> dict[int, tuple[int, int]]:
        """(N+1, n_x) of the trajectory of an agent and of each agent whose state it uses."""
        return {j: (self.structure.horizon + 1, self.local[j].n_states) for j in (index, *self.graph.parents[index])}

    def stacked(self, name: str) -> np.ndarray:
        """A bound of all agents in their order."""
        return np.concatenate([getattr(data, name) for data in self.local])

    def exogenous_at(self, step: int) -> list[np.ndarray]:
        """What each agent is told with its state (n_d,) at this step of an episode; nothing in most scenarios."""
        return [np.zeros(0) for _ in self.agents]

    @abstractmethod
    def parameters(self, index: int) -> tuple[ParameterLayout, np.ndarray]:
        """Names and initial values (p,) of the learnable parameters of an agent."""

    @abstractmethod
    def parameter_bounds(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (p,) within which the parameters of an agent make a convex problem; infinite where there is none."""

    def definite_parameters(self, index: int) -> dict[str, float]:
        """Names of the square matrices among the parameters of an agent that must be positive definite for its problem
        to be convex, with the least eigenvalue that they are to keep."""
        return {}

    @abstractmethod
    def local_problem(self, index: int) -> ParametricProblem:
        """The problem of one agent."""

    @abstractmethod
    def central_problem(self) -> ParametricProblem:
        """The problem of the whole network, made of the same terms; its parameters are those of the agents in order."""

    @abstractmethod
    def stage_costs(self, state: np.ndarray, action: np.ndarray, exogenous: Sequence[np.ndarray]) -> np.ndarray:
        """L_i (n_agents,) of stacked states (n,) and inputs (m,), and of the exogenous input (n_d,) that came with the
        states."""

    def violation(self, states: np.ndarray) -> np.ndarray:
        """By how much each state lies outside its bounds, (..., n)."""
        return (np.maximum(self.stacked('state_lower') - states, 0.0)
                + np.maximum(states - self.stacked('state_upper'), 0.0))

    @abstractmethod
    def plant(self, seed: int) -> Plant:
        """The true network at its initial state, with the noise of `seed`."""
