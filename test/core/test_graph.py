# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parents, holders of copies, and neighbours of each agent."""

import numpy as np
import pytest

from dmpcrl_ros.core.graph import CouplingGraph, NetworkError, path_graph

# 0 uses 1 and 2, 1 uses 3, 2 uses none, 3 uses 0: edges 0-1, 0-2, 1-3, 3-0 of communication.
DIRECTED = CouplingGraph([[2, 1], [3], [], [0]])


def test_holders_are_the_agents_that_use_a_state():
    assert DIRECTED.parents == ((1, 2), (3,), (), (0,))
    assert DIRECTED.holders == ((3,), (0,), (0,), (1,))


def test_neighbours_are_parents_and_holders():
    assert DIRECTED.neighbours == ((1, 2, 3), (0, 3), (0,), (0, 1))


def test_a_parent_that_is_also_a_holder_is_one_neighbour():
    assert CouplingGraph([[1], [0]]).neighbours == ((1,), (0,))


def test_a_parent_listed_twice_is_one_parent():
    assert CouplingGraph([[1, 1], []]).parents == ((1,), ())


def test_communication_is_undirected():
    expected = np.array([[0, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 0], [1, 1, 0, 0]])
    assert np.array_equal(DIRECTED.adjacency, expected)


def test_laplacian_is_degrees_minus_adjacency():
    expected = np.array([[3, -1, -1, -1], [-1, 2, 0, -1], [-1, 0, 1, 0], [-1, -1, 0, 2]])
    assert np.array_equal(DIRECTED.laplacian, expected)


@pytest.mark.parametrize(
    'graph, diameter',
    [
        (path_graph(1), 0),
        (path_graph(2), 1),
        (path_graph(5), 4),
        (DIRECTED, 2),
        (CouplingGraph([[], [0], [0], [0]]), 2),  # star
        (CouplingGraph([[5], [0], [1], [2], [3], [4]]), 3),  # directed ring of six
    ],
)
def test_diameter_counts_hops_of_communication(graph, diameter):
    assert graph.diameter == diameter


def test_a_chain_is_coupled_in_both_directions():
    assert path_graph(4).parents == ((1,), (0, 2), (1, 3), (2,))


@pytest.mark.parametrize('n_agents', [0, -3])
def test_a_chain_needs_an_agent(n_agents):
    with pytest.raises(NetworkError, match=str(n_agents)):
        path_graph(n_agents)


def test_an_unconnected_graph_is_refused_and_its_parts_are_named():
    with pytest.raises(NetworkError) as error:
        CouplingGraph([[1], [], [4], [], []])
    for part in ('[0, 1]', '[2, 4]', '[3]'):
        assert part in str(error.value)


def test_an_agent_cannot_be_its_own_neighbour():
    with pytest.raises(NetworkError, match='agent 1 .* own neighbour'):
        CouplingGraph([[1], [0, 1]])


@pytest.mark.parametrize('unknown', [2, -1])
def test_an_unknown_agent_is_refused(unknown):
    with pytest.raises(NetworkError, match=f'agent 0 uses agent {unknown}'):
        CouplingGraph([[unknown], [0]])
