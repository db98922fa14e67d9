# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Interface of a system: agents, the graph on which they communicate, and a plant."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from dmpcrl_ros.core.agent import AgentSpec
from dmpcrl_ros.core.graph import CouplingGraph, NetworkError

_NAME = re.compile(r'[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*')
_NODES = re.compile(r'plant|bridge|monitor|relay|controllers_\d+')


def check_agent_names(system: 'System') -> None:
    """Raise NetworkError unless the names of the agents are different ROS namespaces, and none is that of a node."""
    for name in system.names:
        if not _NAME.fullmatch(name):
            raise NetworkError(
                f'{system.name}: {name!r} is not allowed as the name of an agent: '
                'use letters, digits and single underscores between them'
            )
        if _NODES.fullmatch(name):
            raise NetworkError(f'{system.name}: an agent cannot be named {name!r}, which is the name of a node')
        if system.names.count(name) > 1:
            raise NetworkError(f'{system.name}: two agents are named {name!r}')


class Plant(Protocol):
    """The controlled process."""

    def reset(self, seed: int) -> None:
        """Begin a run: the first episode, with all randomness from `seed`."""

    def begin_episode(self, index: int) -> None:
        """Begin an episode at its initial state, with the next random numbers."""

    def observe(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """State (n_x,) and exogenous input (n_d,) of each agent."""

    def step(self, actions: Sequence[np.ndarray]) -> np.ndarray:
        """Apply the actions (n_u,) of all agents for one control step.

        Returns:
            stage costs of the agents (n_agents,).

        Raises:
            ArithmeticError: the state has left the range of numbers.
        """


class System(ABC):
    """Several agents and the plant that they control.

    Attributes:
        name: of the system.
        graph: coupling of the agents, and thereby the pairs that exchange messages.
        episode_length: number of control steps after which the plant restarts; 0 for one endless episode.
        period: duration of a control step [s], for clocks.
    """

    name: str
    graph: CouplingGraph
    episode_length: int = 0
    period: float = 0.1

    @property
    @abstractmethod
    def agents(self) -> tuple[AgentSpec, ...]:
        """Name and spaces of each agent."""

    @abstractmethod
    def plant(self, seed: int) -> Plant:
        """Plant at the beginning of a run, with the random numbers of `seed`."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the agents in their order."""
        return tuple(agent.name for agent in self.agents)

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.agents)

    def index(self, agent: str) -> int:
        """Position of an agent.

        Raises:
            NetworkError: there is no agent of this name.
        """
        if agent not in self.names:
            raise NetworkError(f'{self.name} has no agent {agent!r}; it has {", ".join(self.names)}')
        return self.names.index(agent)
