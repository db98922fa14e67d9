# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Spanning trees, and the sums, maxima and stops that travel along their edges."""

import numpy as np
import pytest
from scipy.sparse.csgraph import shortest_path

from dmpcrl_ros.core.exchange import Exchange
from dmpcrl_ros.core.graph import CouplingGraph, path_graph
from dmpcrl_ros.core.spanning_tree import UNKNOWN, SpanningTree, TreeAgreement
from dmpcrl_ros.simulation.lockstep import run_lockstep

GRAPHS = {
    'one agent': path_graph(1),
    'chain of 7': path_graph(7),
    'ring of 6': CouplingGraph([[(i + 1) % 6] for i in range(6)]),
    'star of 5': CouplingGraph([[1, 2, 3, 4], [], [], [], []]),
    'two triangles with a bridge': CouplingGraph([[1, 2], [2], [3], [4, 5], [5], []]),
}
each_graph = pytest.mark.parametrize('graph', GRAPHS.values(), ids=GRAPHS.keys())


def adjacency(tree):
    matrix = np.zeros((tree.n_agents, tree.n_agents))
    for i, neighbours in enumerate(tree.neighbours):
        matrix[i, list(neighbours)] = 1.0
    return matrix


@each_graph
def test_the_tree_spans_the_graph_along_its_edges(graph):
    tree = SpanningTree(graph)
    edges = adjacency(tree)
    assert (edges == edges.T).all() and edges.sum() == 2 * (graph.n_agents - 1)
    assert (edges <= graph.adjacency).all()
    distance = shortest_path(edges, unweighted=True)
    assert np.isfinite(distance).all() and tree.diameter == distance.max()
    assert tree.diameter <= 2 * graph.diameter  # a breadth-first tree from a centre


@each_graph
def test_a_cut_edge_has_two_sides(graph):
    tree = SpanningTree(graph)
    for a, neighbours in enumerate(tree.neighbours):
        for b in neighbours:
            assert a in tree.side(a, b) and b not in tree.side(a, b)
            assert tree.side(a, b) | tree.side(b, a) == set(range(graph.n_agents))
            assert not tree.side(a, b) & tree.side(b, a)


def travelling(agent, tree, sums, maxima, changes):
    """Rounds of an agreement until the change is at most 0.5 at the agent, or the changes end."""
    agreement, seen = TreeAgreement(agent, tree, sums, maxima), []
    for change in changes:
        agreement.report(change)
        seen.append(agreement.change)
        if agreement.change <= 0.5:
            break
        outbox = {j: agreement.message(j) for j in tree.neighbours[agent]}
        inbox = yield Exchange('agreement', outbox, {j: (len(message),) for j, message in outbox.items()})
        agreement.receive(inbox)
    return agreement, seen


@each_graph
def test_sums_and_maxima_are_those_of_all_agents_after_as_many_rounds_as_the_tree_is_deep(graph):
    tree, draw = SpanningTree(graph), np.random.default_rng(3)
    sums, maxima = draw.integers(-9, 9, (graph.n_agents, 3)).astype(float), draw.normal(size=(graph.n_agents, 2))
    found, _ = run_lockstep(
        [travelling(i, tree, sums[i], maxima[i], [1.0] * tree.diameter) for i in range(graph.n_agents)]
    )
    for agreement, _ in found:
        assert agreement.rounds == tree.diameter
        assert (agreement.sums == sums.sum(axis=0)).all()  # whole numbers: without rounding
        assert (agreement.maxima == maxima.max(axis=0)).all()


@each_graph
def test_all_agents_see_the_largest_change_of_the_same_round_and_stop_together(graph):
    """By hand: the change at round r is the largest that any agent reported at round r - D."""
    tree, draw = SpanningTree(graph), np.random.default_rng(5)
    changes = draw.uniform(0.6, 9.0, (graph.n_agents, 12))
    changes[:, 8:] = 0.25
    changes[0, 4] = changes[-1, 5] = 0.0  # one quiet agent does not stop the others
    found, _ = run_lockstep([travelling(i, tree, [], [], changes[i]) for i in range(graph.n_agents)])
    expected = [*([UNKNOWN] * tree.diameter), *changes.max(axis=0)]
    quiet = next((k for k, change in enumerate(expected) if change <= 0.5), None)
    for agreement, seen in found:
        count = len(changes[0]) if quiet is None else min(quiet + 1, len(changes[0]))
        assert seen == expected[:count]
        assert agreement.rounds == len(seen) - (seen[-1] <= 0.5)
