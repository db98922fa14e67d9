# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Average, total and maximum over the network, each agent knowing its neighbours only."""

import numpy as np
import pytest

from dmpcrl_ros.core.averaging import finite_time, fixed_weights
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import CouplingGraph, path_graph
from dmpcrl_ros.simulation.lockstep import run_lockstep

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
    """Otherwise a residual of NaN would pass for convergence."""
    graph = path_graph(3)
    found, _ = run_lockstep([c.maximum([v]) for c, v in zip(members(graph), [1.0, np.nan, 2.0], strict=True)])
    assert np.isnan(found).all()


def without(program, lost):
    """The program of an agent whose driver leaves a neighbour out of its inboxes."""
    try:
        request = next(program)
        while True:
            expects = {j: shape for j, shape in request.expects.items() if j != lost}
            request = program.send((yield request._replace(expects=expects)))
    except StopIteration as end:
        return end.value


def test_an_average_without_a_lost_neighbour_is_said_to_be_none_of_the_network():
    """Agent 1 of a chain of three continues without agent 2: agents 0 and 1 get a mean of their own values."""
    graph, values = path_graph(3), np.array([[1.0], [3.0], [50.0]])
    agents = members(graph)
    programs = [agent.average(value) for agent, value in zip(agents, values, strict=True)]
    found, _ = run_lockstep([programs[0], without(programs[1], 2), programs[2]])
    assert [agent.partial for agent in agents] == [False, True, False] and np.max(found[:2]) <= 3.0
    run_lockstep([agent.average(value) for agent, value in zip(agents, values, strict=True)])
    assert not any(agent.partial for agent in agents)  # they are together again
