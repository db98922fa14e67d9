# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Coordination along the tree of a graph with cut edges, against one programme of all agents that are reached."""

import numpy as np
import pytest
from coordinated import CONFIG, Central, Coordinated, check, loads_of
from dense_programme import optimum
from helpers import initial_thetas, perturbed, ring

from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.systems.files import load_system

NETWORKS = {'ring': ring(5), 'grid on a ring': load_system(CONFIG / 'ring_grid.yaml')}
each_network = pytest.mark.parametrize('network', NETWORKS.values(), ids=NETWORKS.keys())


def edges_of(graph):
    return [(i, j) for i, each in enumerate(graph.neighbours) for j in each if i < j]


def states_of(network, draw):
    return [np.minimum(data.state_upper, 0.5) * draw.uniform(-0.8, 0.8, data.n_states) for data in network.local]


class Joined:
    """The local programmes of some agents as one, with explicit slack variables; the copies of their parents equal the
    originals or, for parents that are not among them, given trajectories."""

    def __init__(self, network, programmes, members):
        self._network, self._programmes, self._members = network, programmes, members

    def optimum(self, states, held):
        """First inputs of the members, and the value."""
        network, data = self._network, [self._programmes[i] for i in self._members]
        sizes = [len(each.linear) for each in data]
        start = dict(zip(self._members, np.cumsum([0, *sizes]), strict=False))
        n, r = sum(sizes), sum(len(each.penalty) for each in data)
        H, q, c = np.zeros((n + r, n + r)), np.zeros(n + r), 0.0
        low, high = np.full(n + r, -np.inf), np.full(n + r, np.inf)
        low[n:] = 0.0
        rows, bottom, top, actions, slack = [], [], [], [], n
        for i, each in zip(self._members, data, strict=True):
            part = slice(start[i], start[i] + len(each.linear))
            H[part, part], q[part], c = each.hessian, each.linear, c + each.constant
            low[part], high[part] = each.lower, each.upper
            problem, places = network.local_problem(i), network.trajectory_places(i)
            low[start[i] + problem.state] = high[start[i] + problem.state] = states[i]
            actions.append(start[i] + problem.action)
            for row, value in zip(each.equality, each.equality_value, strict=True):
                rows.append(np.zeros(n + r))
                rows[-1][part] = row
                bottom.append(value)
                top.append(value)
            for k, entry in enumerate(each.soft):
                for sign, bound in ((1.0, each.soft_upper[k]), (-1.0, -each.soft_lower[k])):
                    if np.isfinite(bound):
                        rows.append(np.zeros(n + r))
                        rows[-1][start[i] + entry], rows[-1][slack] = sign, -1.0
                        bottom.append(-np.inf)
                        top.append(bound)
                q[slack] = each.penalty[k]
                slack += 1
            for j in network.graph.parents[i]:
                shared, copy = network.shared_entries(j), start[i] + places[j]
                unused = np.setdiff1d(np.arange(len(copy)), shared)
                low[copy[unused]] = high[copy[unused]] = 0.0
                if j not in start:
                    low[copy[shared]] = high[copy[shared]] = held[j]
                    continue
                for entry in shared:
                    rows.append(np.zeros(n + r))
                    rows[-1][copy[entry]], rows[-1][start[j] + entry] = 1.0, -1.0
                    bottom.append(0.0)
                    top.append(0.0)
        v, _, value = optimum(H=H, q=q, A=np.array(rows), lba=np.array(bottom), uba=np.array(top), lbx=low, ubx=high)
        return np.concatenate([v[each] for each in actions]), value + c


@each_network
@pytest.mark.parametrize('method', ['reactions', 'prices'])
def test_without_one_edge_of_a_cycle_the_answer_is_still_that_of_the_whole_network(network, method):
    draw = np.random.default_rng(3)
    thetas = perturbed(initial_thetas(network), draw, 0.01)
    coordinated, central = Coordinated(network, thetas, method), Central(network, thetas)
    certified = 0
    for cut in edges_of(network.graph):
        states, loads = states_of(network, draw), loads_of(network, draw)
        coordinated.use_without({cut})
        assert cut[1] not in coordinated.tree.neighbours[cut[0]]
        outcomes = coordinated.evaluate(states, exogenous=loads)
        certified += check(network, coordinated, outcomes, central.evaluate(states, exogenous=loads))
    assert certified >= len(edges_of(network.graph)) - (method == 'prices')


@each_network
def test_without_an_agent_the_others_have_their_common_optimum_with_its_last_prediction(network):
    """So has the agent itself, alone with the last predictions of its neighbours."""
    draw = np.random.default_rng(4)
    for lost in range(network.n_agents):
        coordinated = Coordinated(network)
        before = coordinated.evaluate(states_of(network, draw))
        held = {
            j: mpc.trajectory(outcome.answers['V'].solution).ravel()[network.shared_entries(j)]
            for j, (mpc, outcome) in enumerate(zip(coordinated.mpcs, before, strict=True))
        }
        coordinated.use_without({edge for edge in edges_of(network.graph) if lost in edge})
        states = states_of(network, draw)
        outcomes = coordinated.evaluate(states)
        assert all(each.certified for each in outcomes)
        programmes = [mpc.programme for mpc in coordinated.mpcs]
        for members in ([i for i in range(network.n_agents) if i != lost], [lost]):
            inputs, value = Joined(network, programmes, members).optimum(states, held)
            found = [coordinated.mpcs[i].action(outcomes[i].answers['V'].solution) for i in members]
            assert np.concatenate(found) == pytest.approx(inputs, abs=1e-7)
            for i in members:
                assert outcomes[i].answers['V'].value == pytest.approx(value, rel=1e-9, abs=1e-9)


def test_each_part_of_a_cut_graph_has_a_tree_of_its_own():
    tree = SpanningTree(ring(6).graph, {(0, 1), (2, 3)})
    assert tree.neighbours == ((5,), (2,), (1,), (4,), (3, 5), (0, 4))
    assert tree.diameters == (3, 1, 1, 3, 3, 3) and tree.diameter == 3
