# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A spanning tree of the communication graph, and the sums, maxima and stops that travel along its edges."""

from collections.abc import Collection, Sequence
from functools import cache

import numpy as np

from dmpcrl_ros.core.graph import CouplingGraph, Edge, distances

# Changes of an agent without a solution, and of one that does not know its own; messages have finite numbers.
FAILED, UNKNOWN = 0.5 * float(np.finfo(float).max), float(np.finfo(float).max)


class SpanningTree:
    """Breadth-first spanning tree from a centre of the communication graph, the same at every agent.

    If edges are cut, the parts into which the graph falls have a tree each.

    Attributes:
        cut: edges of the graph that are not used.
        neighbours: of each agent along the edges of the tree, in ascending order.
        diameters: for each agent, D, the largest number of edges between two agents of its tree.
        diameter: largest of them.

    Args:
        graph: of the coupling.
        cut: edges that are not used.
    """

    def __init__(self, graph: CouplingGraph, cut: Collection[Edge] = ()):
        self.n_agents, self.cut = graph.n_agents, frozenset(cut)
        every = range(graph.n_agents)
        left = [[j for j in each if (min(i, j), max(i, j)) not in cut] for i, each in enumerate(graph.neighbours)]
        reach = [distances(left, agent) for agent in every]
        found: list[list[int]] = [[] for _ in every]
        for part in {tuple(sorted(each)) for each in reach}:
            centre = min(part, key=lambda agent: max(reach[agent].values()))
            for agent, distance in reach[centre].items():
                if distance:
                    parent = next(j for j in reach[centre] if j in left[agent])
                    found[agent].append(parent)
                    found[parent].append(agent)
        self.neighbours = tuple(tuple(sorted(each)) for each in found)
        depths = [max(distances(self.neighbours, agent).values()) for agent in every]
        self.diameters = tuple(max(depths[j] for j in reach[agent]) for agent in every)
        self.diameter = max(self.diameters)
        self.side = cache(self._side)

    def _side(self, agent: int, neighbour: int) -> frozenset[int]:
        """Agents on the side of `agent` when its edge to `neighbour` is cut."""
        left = [tuple(j for j in each if {i, j} != {agent, neighbour}) for i, each in enumerate(self.neighbours)]
        return frozenset(distances(left, agent))


class TreeAgreement:
    """One agent's sums, maxima and common stop, carried by the messages of a protocol along a spanning tree.

    In each round every agent sends each neighbour one array: the sums of all agents on its side of the edge, the
    maxima of all that it has heard of, and a pipeline of D numbers. Place k of the pipeline is the largest change that
    any agent within k hops reported k rounds before. Sums and maxima are exact after D rounds. Place D is the largest
    change of the whole network D rounds before, the same float at every agent: all agents stop in the same round.

    Attributes:
        rounds: number of rounds so far.
        missing: neighbours without a message in the last round.

    Args:
        agent: index of the agent.
        tree: spanning tree of its network.
        sums: this agent's terms (n_s,).
        maxima: this agent's values (n_m,).
        absent: neighbours that were lost before, and of which no messages are expected.
    """

    def __init__(
        self,
        agent: int,
        tree: SpanningTree,
        sums: Sequence[float],
        maxima: Sequence[float],
        absent: frozenset[int] = frozenset(),
    ):
        self._absent, self._broken = absent, False
        self._neighbours, self._depth = tree.neighbours[agent], tree.diameters[agent]
        self._own, self._top = np.asarray(sums, dtype=float), np.asarray(maxima, dtype=float)
        self._subtrees = {j: np.zeros(len(self._own)) for j in self._neighbours}
        self._changes = np.full(self._depth + 1, UNKNOWN)
        self.rounds, self.missing = 0, absent

    def report(self, change: float) -> None:
        """Enter the change of this agent in the present round: not negative, FAILED, infinite or NaN if not known."""
        self._changes[0] = change if change <= UNKNOWN and not self._broken else UNKNOWN

    def message(self, neighbour: int) -> np.ndarray:
        """Message (n_s + n_m + D,) to a neighbour along the tree."""
        others = sum((part for j, part in self._subtrees.items() if j != neighbour), start=self._own)
        return np.concatenate([others, self._top, self._changes[: self._depth]])

    def receive(self, messages: dict[int, np.ndarray]) -> None:
        """Take the messages (n_s + n_m + D,) of the neighbours along the tree, at the end of a round.

        If one is missing that was expected, this agent and all that hear from it know no change any more: none of them
        stops before the last round. A lost neighbour may return in the first round only.
        """
        self.missing = frozenset(self._neighbours) - set(messages)
        if not self.rounds:
            self._absent &= self.missing
        self._broken |= self.missing != self._absent
        end = len(self._own)
        tail = end + len(self._top)
        changes = self._changes[: self._depth]
        for j, message in messages.items():
            self._subtrees[j] = message[:end].copy()
            self._top = np.maximum(self._top, message[end:tail])
            changes = np.maximum(changes, message[tail:])
        self._changes = np.concatenate([[UNKNOWN], np.full_like(changes, UNKNOWN) if self._broken else changes])
        self.rounds += 1

    @property
    def change(self) -> float:
        """Largest change of all agents D rounds before, the same float at every agent; UNKNOWN in the first rounds."""
        return float(self._changes[self._depth])

    @property
    def sums(self) -> np.ndarray:
        """Sums over all agents (n_s,), after D rounds; equal at all agents up to rounding."""
        return sum(self._subtrees.values(), start=self._own)

    @property
    def maxima(self) -> np.ndarray:
        """Maxima over all agents (n_m,), after D rounds; the same floats at every agent."""
        return self._top
