# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Agreement over the network: the average of vectors, and their element-wise maximum."""

from collections.abc import Sequence

import numpy as np

from dmpcrl_ros.core.averaging import AveragingSchedule
from dmpcrl_ros.core.exchange import Exchange, Protocol
from dmpcrl_ros.core.graph import CouplingGraph


class Consensus:
    """One agent's part of average and maximum consensus (GAC, paper 001 section 2.4), without lost neighbours.

    Attributes:
        partial: whether a neighbour was missing in the last average; it is then not an average of the whole network,
            and agents must not learn from it.

    Args:
        agent: index of the agent.
        graph: its communication graph; only the agent's neighbours and the diameter are kept.
        schedule: weights of each round of averaging; only the agent's row is kept.
    """

    def __init__(self, agent: int, graph: CouplingGraph, schedule: AveragingSchedule):
        self._neighbours = graph.neighbours[agent]
        self._row = schedule.row(agent, self._neighbours)
        self._diameter = graph.diameter
        self.n_agents = graph.n_agents
        self.partial = False

    def average(self, values: np.ndarray) -> Protocol[np.ndarray]:
        """Mean over all agents of `values` (n,), to the error of the schedule."""
        self.partial, expects = False, dict.fromkeys(self._neighbours, values.shape)
        for own_weight, weights in self._row:
            inbox = yield Exchange('consensus', dict.fromkeys(self._neighbours, values), expects)
            self.partial |= len(inbox) < len(self._neighbours)
            mixed = own_weight * values
            for neighbour, weight in zip(self._neighbours, weights, strict=True):
                mixed += weight * inbox.get(neighbour, values)
            values = mixed
        return values

    def total(self, values: np.ndarray) -> Protocol[np.ndarray]:
        """Sum over all agents of `values` (n,), to the error of the schedule."""
        return self.n_agents * (yield from self.average(values))

    def maximum(self, values: Sequence[float] | np.ndarray) -> Protocol[np.ndarray]:
        """Element-wise largest `values` (n,) of all agents, the same floats at every agent: safe to branch on."""
        largest = np.asarray(values, dtype=float)
        expects = dict.fromkeys(self._neighbours, largest.shape)
        for _ in range(self._diameter):
            inbox = yield Exchange('maximum', dict.fromkeys(self._neighbours, largest), expects)
            largest = np.max([largest, *inbox.values()], axis=0)
        return largest
