# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Weights of average consensus: exactness, the published matrix, the error that a schedule says it has."""

import tracemalloc

import numpy as np
import pytest

from dmpcrl_ros.core.averaging import finite_time, fixed_weights, metropolis_weights
from dmpcrl_ros.core.graph import CouplingGraph, path_graph
from dmpcrl_ros.settings.run import Settings

# With the number of distinct non-zero eigenvalues of the Laplacian. A path of n has 2 - 2 cos(pi k / n),
# k = 1..n-1; a star of n has 1 and n; a ring of n has 2 - 2 cos(2 pi k / n), twice each but for k = n / 2; a
# complete graph only n.
GRAPHS = {
    'chain of 1': (path_graph(1), 0),
    'chain of 2': (path_graph(2), 1),
    'chain of 3': (path_graph(3), 2),
    'chain of 5': (path_graph(5), 4),
    'chain of 10': (path_graph(10), 9),
    'star of 6': (CouplingGraph([[], [0], [0], [0], [0], [0]]), 2),
    'ring of 6': (CouplingGraph([[5], [0], [1], [2], [3], [4]]), 3),
    'complete graph of 4': (CouplingGraph([[1, 2, 3], [2, 3], [3], []]), 1),
    'directed tree of 5': (CouplingGraph([[], [0], [0], [1], [1]]), 4),
}
CONNECTED = [pytest.param(graph, rounds, id=name) for name, (graph, rounds) in GRAPHS.items()]
WITH_NEIGHBOURS = [parameters for parameters in CONNECTED if parameters.values[0].n_agents > 1]
KINDS = {'finite-time': finite_time, 'fixed': fixed_weights, 'metropolis': metropolis_weights}


def product(schedule, rounds=None):
    """W_K ... W_1, or of the first rounds only."""
    matrix = np.eye(schedule.weights.shape[1])
    for weight in schedule.weights[:rounds]:
        matrix = weight @ matrix
    return matrix


def test_the_directed_tree_has_four_distinct_nonzero_eigenvalues():
    """det(lambda - L) of the tree 2-0-1-(3, 4) is lambda (lambda - 1)(lambda^3 - 7 lambda^2 + 13 lambda - 5).
    The cubic is -5, 2, -2, 10 at 0, 1, 3, 5: three different roots, none of them 0 or 1."""
    by_hand = np.polymul(np.polymul([1, 0], [1, -1]), [1, -7, 13, -5])
    assert np.poly(GRAPHS['directed tree of 5'][0].laplacian) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize('graph, rounds', CONNECTED)
def test_finite_time_averaging_is_exact_in_one_round_per_eigenvalue(graph, rounds):
    schedule = finite_time(graph)
    assert schedule.rounds == len(schedule.weights) == rounds
    n = graph.n_agents
    assert np.abs(product(schedule) - np.full((n, n), 1 / n)).max() < 1e-12


@pytest.mark.parametrize('graph, rounds', WITH_NEIGHBOURS)
def test_finite_time_averaging_needs_its_last_round(graph, rounds):
    short = product(finite_time(graph), finite_time(graph).rounds - 1)
    assert np.abs(short - 1 / graph.n_agents).max() > 1e-3


def test_fixed_weights_are_those_of_the_paper():
    assert fixed_weights(path_graph(3)).weights[0] == pytest.approx(
        np.array([[0.75, 0.25, 0], [0.25, 0.5, 0.25], [0, 0.25, 0.75]]), abs=1e-15
    )


def test_the_error_of_the_paper_after_a_hundred_rounds():
    schedule = fixed_weights(path_graph(3), rounds=100)
    assert schedule.rounds == 100
    assert schedule.error == pytest.approx(0.75**100, rel=1e-2)  # 3.2e-13, known to the rounding of 1e-15


@pytest.mark.parametrize('n_agents, factor', [(4, 0.85355), (6, 0.93301), (12, 0.98296)])
def test_fixed_weights_contract_by_their_second_eigenvalue(n_agents, factor):
    """I - L / 4 on a path: 1 - (2 - 2 cos(pi / n)) / 4 = (1 + cos(pi / n)) / 2."""
    assert factor == pytest.approx((1 + np.cos(np.pi / n_agents)) / 2, abs=1e-5)
    assert fixed_weights(path_graph(n_agents), rounds=7).error == pytest.approx(factor**7, rel=1e-4)


@pytest.mark.parametrize('graph, rounds', CONNECTED)
@pytest.mark.parametrize('kind', KINDS)
def test_weights_keep_the_average_and_follow_the_graph(kind, graph, rounds):
    edges = graph.adjacency + np.eye(graph.n_agents) > 0
    for weight in KINDS[kind](graph).weights:
        assert weight.sum(axis=0) == pytest.approx(1.0, abs=1e-12)
        assert weight.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
        assert not weight[~edges].any()


@pytest.mark.parametrize('graph, rounds', WITH_NEIGHBOURS)
@pytest.mark.parametrize('kind', ['fixed', 'metropolis'])
def test_repeated_weights_are_doubly_stochastic_and_contract(kind, graph, rounds):
    schedule = KINDS[kind](graph, rounds=20)
    assert schedule.weights.min() >= 0.0
    assert KINDS[kind](graph, rounds=1).error < 1.0
    assert schedule.error == pytest.approx(KINDS[kind](graph, rounds=10).error ** 2, rel=1e-6, abs=1e-15)


def test_metropolis_weights_by_hand():
    """Star of four: the hub has degree 3, so every edge weighs 1 / (1 + 3)."""
    assert metropolis_weights(CouplingGraph([[], [0], [0], [0]])).weights[0] == pytest.approx(
        np.array([[0.25, 0.25, 0.25, 0.25], [0.25, 0.75, 0, 0], [0.25, 0, 0.75, 0], [0.25, 0, 0, 0.75]]), abs=1e-15
    )


@pytest.mark.parametrize('graph, rounds', WITH_NEIGHBOURS)
@pytest.mark.parametrize('kind', ['fixed', 'metropolis'])
def test_the_reported_error_bounds_any_disagreement_and_is_attained(kind, graph, rounds):
    schedule = KINDS[kind](graph, rounds=6)
    matrix, draw = product(schedule), np.random.default_rng(0)

    def ratio(values):
        return np.linalg.norm(matrix @ values - values.mean()) / np.linalg.norm(values - values.mean())

    worst = max(ratio(draw.standard_normal(graph.n_agents)) for _ in range(200))
    assert worst <= schedule.error * (1 + 1e-9) + 1e-14
    slowest = np.linalg.svd(matrix - 1 / graph.n_agents)[2][0]
    assert ratio(slowest) == pytest.approx(schedule.error, rel=1e-9, abs=1e-14)


def test_repeated_weights_need_a_round():
    for kind in (fixed_weights, metropolis_weights):
        with pytest.raises(ValueError, match='at least one round'):
            kind(path_graph(3), rounds=0)


def test_an_agent_needs_only_its_own_row():
    schedule = finite_time(path_graph(3))
    row = schedule.row(1, (0, 2))
    assert [(own, others) for own, others in row] == [(w[1, 1], (w[1, 0], w[1, 2])) for w in schedule.weights]


# Large networks: a schedule keeps a matrix and its divisors, an agent its row.


@pytest.mark.parametrize('graph, rounds', WITH_NEIGHBOURS)
@pytest.mark.parametrize('kind', KINDS)
def test_the_rows_of_all_agents_are_the_weights(kind, graph, rounds):
    schedule = KINDS[kind](graph)
    weights = schedule.weights
    assert weights.shape == (schedule.rounds, graph.n_agents, graph.n_agents)
    for agent, neighbours in enumerate(graph.neighbours):
        row = schedule.row(agent, neighbours)
        assert [own for own, _ in row] == weights[:, agent, agent].tolist()
        assert [list(others) for _, others in row] == weights[:, agent, list(neighbours)].tolist()


def ring(n_agents):
    return CouplingGraph([[(i + 1) % n_agents] for i in range(n_agents)])


@pytest.mark.parametrize('kind', KINDS)
def test_the_memory_of_a_schedule_does_not_grow_with_its_rounds(kind):
    """A ring of 300 needs 150 rounds to be exact: all their matrices would take 108 MB, one of them 0.7 MB."""
    graph, matrix = ring(300), 300 * 300 * 8
    assert graph.laplacian.nbytes == matrix and graph.neighbours
    tracemalloc.start()
    try:
        schedule = finite_time.__wrapped__(graph) if kind == 'finite-time' else KINDS[kind](graph, rounds=150)
        rows = [schedule.row(agent, graph.neighbours[agent]) for agent in (0, 150, 299)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert schedule.rounds == 150 and all(len(row) == 150 for row in rows)
    assert peak < 10 * matrix


def test_finite_time_averaging_of_a_large_network_is_exact():
    """A ring of 300 agents and a row of 200, whose products are long."""
    for graph in (ring(300), path_graph(200)):
        assert finite_time(graph).error < 1e-9


def test_agents_in_one_process_share_one_schedule():
    finite_time.cache_clear()
    settings, n_agents = Settings(chain__agents=7), 7
    system = settings.make_system()
    for agent in range(n_agents):
        settings.make_agent(system, agent)
    assert finite_time.cache_info().misses == 1 and finite_time.cache_info().hits == n_agents - 1
