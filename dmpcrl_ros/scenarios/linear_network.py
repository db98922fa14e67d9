"""A network of linear systems: true dynamics, costs and bounds, and what its agents know of it at first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.mpc.formulation import LocalData, MpcStructure
from dmpcrl_ros.networks.graph import CouplingGraph, NetworkError
from dmpcrl_ros.randomness import stream


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


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """A model of one agent's dynamics, or a deviation from it: A (n_x, n_x), B (n_x, n_u), and for each parent j the
    matrix A_j (n_x, n_xj)."""

    a: np.ndarray
    b: np.ndarray
    coupling: Mapping[int, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class LinearNetwork:
    """Plant s+ = A s + B a + e, e uniform, stage cost L_i = 1/2 (|s_i|^2_W + |a_i|^2_W + w' violation of the bounds).

    Stacked over agents in their order: `a` (n, n), `b` (n, m), noise bounds (n,), weights and bounds (n,) and (m,).
    `state_parts` and `input_parts` say which entries are whose. `uncertainty` is for each agent the least and the
    greatest deviation of the true dynamics from its model, element by element, as far as the agent knows.
    """

    name: str
    agents: tuple[str, ...]
    graph: CouplingGraph
    a: np.ndarray
    b: np.ndarray
    noise_lower: np.ndarray
    noise_upper: np.ndarray
    initial_state: np.ndarray
    state_parts: tuple[slice, ...]
    input_parts: tuple[slice, ...]
    local: tuple[LocalData, ...]
    uncertainty: tuple[tuple[LocalModel, LocalModel], ...]
    structure: MpcStructure
    defaults: LearningDefaults

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

    def dynamics(self, index: int) -> LocalModel:
        """The true dynamics of one agent."""
        x, u = self.state_parts[index], self.input_parts[index]
        return LocalModel(a=self.a[x, x], b=self.b[x, u],
                          coupling={j: self.a[x, self.state_parts[j]] for j in self.graph.parents[index]})


class LinearPlant:
    """The true network in closed loop.

    Args:
        network: the scenario.
        seed: of the noise.
    """

    def __init__(self, network: LinearNetwork, seed: int):
        self.network = network
        self._state_weight, self._input_weight, self._violation_weight, self._lower, self._upper = (
            np.concatenate([getattr(data, name) for data in network.local])
            for name in ('state_weight', 'input_weight', 'violation_weight', 'state_lower', 'state_upper'))
        self._input_lower = np.concatenate([data.input_lower for data in network.local])
        self._input_upper = np.concatenate([data.input_upper for data in network.local])
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Back to the initial state, with the noise of `seed` from its beginning."""
        self._noise = stream(seed, 'noise')
        self.state = self.network.initial_state.copy()

    def states(self) -> list[np.ndarray]:
        """State of each agent (n_x,)."""
        return [self.state[part].copy() for part in self.network.state_parts]

    def step(self, actions: Sequence[np.ndarray]) -> np.ndarray:
        """Apply the inputs of all agents for one control step and return their stage costs L_i (n_agents,).

        Inputs are saturated at their bounds, as actuators are.

        Raises:
            ArithmeticError: the state has left the range of numbers.
        """
        action = np.clip(np.concatenate(actions), self._input_lower, self._input_upper)
        costs = self._stage_costs(self.state, action)
        noise = self._noise.uniform(self.network.noise_lower, self.network.noise_upper)
        self.state = self.network.a @ self.state + self.network.b @ action + noise
        if not np.isfinite(self.state).all():
            raise ArithmeticError('the state of the plant is no longer finite: the closed loop has diverged')
        return costs

    def violation(self, states: np.ndarray) -> np.ndarray:
        """By how much each state lies outside its bounds, (..., n)."""
        return np.maximum(self._lower - states, 0.0) + np.maximum(states - self._upper, 0.0)

    def _stage_costs(self, state: np.ndarray, action: np.ndarray) -> np.ndarray:
        of_states = self._state_weight * state**2 + self._violation_weight * self.violation(state)
        of_inputs = self._input_weight * action**2
        return 0.5 * np.array([of_states[x].sum() + of_inputs[u].sum() for x, u in
                               zip(self.network.state_parts, self.network.input_parts, strict=True)])
