# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The coupling graph: the states that each agent uses, and the pairs of agents that exchange messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

Edge: TypeAlias = tuple[int, int]  # of the communication graph, the smaller index first


class NetworkError(ValueError):
    """The description of a network contradicts itself; the message says where."""


@dataclass(frozen=True)
class CouplingGraph:
    """Directed coupling of ``n`` agents.

    Agent i *uses* the states of its parents (the neighbourhood N_i of paper 001): they enter its dynamics, cost or
    constraints, and it keeps a copy of each of their trajectories. The *holders* of x_j are the agents that use it.
    Communication runs both ways along every edge, so the neighbours of an agent are its parents and its holders.

    Args:
        parents: for each agent, the indices of the agents whose state it uses, itself excluded.

    Raises:
        NetworkError: an index is out of range, an agent uses itself, or the communication graph is not connected.
    """

    parents: tuple[tuple[int, ...], ...]

    def __init__(self, parents: Sequence[Sequence[int]]):
        object.__setattr__(self, 'parents', tuple(tuple(sorted(set(p))) for p in parents))
        for agent, used in enumerate(self.parents):
            for j in used:
                if j == agent:
                    raise NetworkError(f'agent {agent} is listed as its own neighbour')
                if not 0 <= j < self.n_agents:
                    raise NetworkError(f'agent {agent} uses agent {j}, but agents are 0 to {self.n_agents - 1}')
        if groups := self._groups():
            raise NetworkError(
                'the communication graph is not connected: agents ' + ' and '.join(map(str, groups)) + ' share no edge'
            )

    def _groups(self) -> list[list[int]]:
        """Parts of a communication graph that is not connected; empty if it is."""
        left, groups = set(range(self.n_agents)), []
        while left:
            reached = set(distances(self.neighbours, min(left)))
            groups.append(sorted(reached))
            left -= reached
        return groups if len(groups) != 1 else []

    @property
    def n_agents(self) -> int:
        """n."""
        return len(self.parents)

    @cached_property
    def holders(self) -> tuple[tuple[int, ...], ...]:
        """For each agent j, the agents that keep a copy of x_j."""
        holders: list[list[int]] = [[] for _ in self.parents]
        for i, used in enumerate(self.parents):
            for j in used:
                holders[j].append(i)
        return tuple(map(tuple, holders))

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """For each agent, the agents it exchanges messages with."""
        return tuple(tuple(sorted({*p, *h})) for p, h in zip(self.parents, self.holders, strict=True))

    @cached_property
    def adjacency(self) -> np.ndarray:
        """Undirected adjacency of the communication graph, (n, n) of 0 and 1."""
        adjacency = np.zeros((self.n_agents, self.n_agents))
        for i, used in enumerate(self.parents):
            adjacency[i, list(used)] = adjacency[list(used), i] = 1.0
        return adjacency

    @cached_property
    def laplacian(self) -> np.ndarray:
        """Laplacian of the communication graph, (n, n)."""
        return np.diag(self.adjacency.sum(axis=1)) - self.adjacency

    @cached_property
    def diameter(self) -> int:
        """Largest distance between two agents of the communication graph, in hops."""
        return max(max(distances(self.neighbours, agent).values()) for agent in range(self.n_agents))


def distances(neighbours: Sequence[Sequence[int]], start: int) -> dict[int, int]:
    """Distance from one agent to each that it reaches, in hops, nearest first.

    Args:
        neighbours: of each agent.
        start: index of the agent.
    """
    found = {start: 0}
    queue = [start]
    for agent in queue:
        for neighbour in neighbours[agent]:
            if neighbour not in found:
                found[neighbour] = found[agent] + 1
                queue.append(neighbour)
    return found


def path_graph(n_agents: int) -> CouplingGraph:
    """The chain 0 - 1 - ... - (n-1), coupled in both directions.

    Raises:
        NetworkError: fewer than one agent.
    """
    if n_agents < 1:
        raise NetworkError(f'a chain needs at least one agent, not {n_agents}')
    return CouplingGraph([[j for j in (i - 1, i + 1) if 0 <= j < n_agents] for i in range(n_agents)])
