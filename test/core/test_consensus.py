"""Average, total and maximum over the network, each agent knowing its neighbours only."""
import numpy as np
import pytest
from helpers import run_lockstep

from dmpcrl_ros.core.averaging import finite_time, fixed_weights
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import CouplingGraph, path_graph

GRAPHS = {
    'alone': path_graph(1),
    'chain of 3': path_graph(3),
    'chain of 10': path_graph(10),
    'directed ring of 5': CouplingGraph([[4], [0], [1], [2], [3]]),
    'star of 6': CouplingGraph([[1, 2, 3, 4, 5], [], [], [], [], []]),
    'directed tree of 5': CouplingGraph([[], [0], [0], [1], [1]]),
}
each_graph = pytest.mark.parametrize('graph', GRAPHS.values(), ids=GRAPHS.keys())


def members(graph, schedule=None):
    return [Consensus(i, graph, schedule or finite_time(graph)) for i in range(graph.n_agents)]


@each_graph
def test_every_agent_gets_the_average(graph):
    values = np.random.default_rng(1).normal(0.0, 10.0, (graph.n_agents, 4))
    found, rounds = run_lockstep([c.average(v) for c, v in zip(members(graph), values, strict=True)])
    assert rounds == finite_time(graph).rounds
    assert np.abs(np.array(found) - values.mean(axis=0)).max() < 1e-11


@each_graph
def test_every_agent_gets_the_total(graph):
    values = np.random.default_rng(2).normal(0.0, 10.0, (graph.n_agents, 3))
    found, _ = run_lockstep([c.total(v) for c, v in zip(members(graph), values, strict=True)])
    assert np.abs(np.array(found) - values.sum(axis=0)).max() < 1e-10


def test_the_average_does_not_change_what_it_is_given():
    graph, values = GRAPHS['chain of 3'], np.arange(6.0).reshape(3, 2)
    run_lockstep([c.average(v) for c, v in zip(members(graph), values, strict=True)])
    assert np.array_equal(values, np.arange(6.0).reshape(3, 2))


def test_a_hundred_fixed_rounds_leave_the_error_that_is_promised():
    graph = path_graph(5)
    schedule = fixed_weights(graph, 100)
    values = np.array([1.0, 0.0, 0.0, 0.0, 0.0])[:, None]
    agents = members(graph, schedule)
    found, rounds = run_lockstep([c.average(v) for c, v in zip(agents, values, strict=True)])
    left = np.linalg.norm(np.ravel(found) - 0.2)
    assert rounds == 100
    assert 0.3 * schedule.error < left <= schedule.error * np.linalg.norm(values - 0.2)


@each_graph
def test_every_agent_gets_exactly_the_same_maximum_wherever_it_is(graph):
    draw = np.random.default_rng(3)
    for place in range(graph.n_agents):
        values = draw.normal(-5.0, 1.0, graph.n_agents)
        values[place] = 0.1 + 0.2
        found, rounds = run_lockstep([c.maximum([v, -v]) for c, v in zip(members(graph), values, strict=True)])
        assert [tuple(each) for each in found] == [(0.1 + 0.2, -values.min())] * graph.n_agents
        assert rounds == graph.diameter


def test_a_maximum_with_a_number_that_is_none_is_none():
    """So that nobody takes a residual of NaN for convergence."""
    graph = path_graph(3)
    found, _ = run_lockstep([c.maximum([v]) for c, v in zip(members(graph), [1.0, np.nan, 2.0], strict=True)])
    assert np.isnan(found).all()
