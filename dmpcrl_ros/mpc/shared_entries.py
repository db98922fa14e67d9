# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The entries of trajectories that cross the edges of a spanning tree.

Agent i works with S = [its own trajectory; the shared entries of every other trajectory in its scope]. A trajectory is
in its scope if an edge of the tree at agent i separates the owner of the trajectory from one of its holders, with agent
i on the side of the holder. On a chain these are the trajectories of the neighbours; in a graph with cycles some
trajectories pass through agents that do not use them.
"""

from collections.abc import Callable, Mapping

import casadi as ca
import numpy as np

from dmpcrl_ros.core.graph import CouplingGraph
from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.mpc.problem import ParametricProblem


def used_variables(problem: ParametricProblem) -> np.ndarray:
    """Mask (n,) of the variables v on which objective or constraints depend, whatever the parameters are."""
    used = np.zeros(problem.variables.numel(), dtype=bool)
    for expression in (problem.objective, problem.residual):
        pattern = ca.jacobian(expression, problem.variables).sparsity()
        used[pattern.get_col()] = True
    return used


class SharedEntries:
    """Entries of S that agent i shares with each of its neighbours in the tree.

    Attributes:
        n_own: number of entries of the agent's own trajectory, the first of S.
        size: number of entries of S.
        theirs: for each neighbour in the tree, the entries of S that are owned on its side of the edge.
        ours: for each neighbour in the tree, the entries of S that are owned on this side and used on the other.
        blocks: for each trajectory in the scope, its entries of S, in the order of its shared entries.
        unreached: parents that no path of the tree reaches because edges are cut; their trajectories are held.

    Args:
        agent: index i.
        graph: coupling of the agents.
        tree: spanning tree of the graph.
        n_own: number of entries of the agent's own trajectory.
        shared: for the index of an agent, the entries of its trajectory that any holder uses.
    """

    def __init__(
        self, agent: int, graph: CouplingGraph, tree: SpanningTree, n_own: int, shared: Callable[[int], np.ndarray]
    ):
        crossing = {j: _crossing(graph, tree, j, agent) for j in tree.neighbours[agent]}
        self.n_own = self.size = n_own
        self.blocks: dict[int, np.ndarray] = {}
        incoming = {owner for each, _ in crossing.values() for owner in each}
        self.unreached = tuple(j for j in graph.parents[agent] if j not in incoming)
        for owner in sorted(incoming.union(self.unreached)):
            entries = len(shared(owner))
            self.blocks[owner] = np.arange(self.size, self.size + entries)
            self.size += entries
        places = self.blocks | {agent: shared(agent)}
        self.theirs = {j: _joined(places, each) for j, (each, _) in crossing.items()}
        self.ours = {j: _joined(places, outgoing) for j, (_, outgoing) in crossing.items()}


def _crossing(graph: CouplingGraph, tree: SpanningTree, sender: int, receiver: int) -> tuple[list[int], list[int]]:
    """Trajectories owned on the sender's side with a holder on the receiver's, and those the other way round."""
    here, there = tree.side(sender, receiver), tree.side(receiver, sender)
    incoming = [j for j in sorted(here) if not there.isdisjoint(graph.holders[j])]
    outgoing = [j for j in sorted(there) if not here.isdisjoint(graph.holders[j])]
    return incoming, outgoing


def _joined(places: Mapping[int, np.ndarray], owners: list[int]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=int), *(places[owner] for owner in owners)])
