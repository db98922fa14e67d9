# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Second-order learning with a prior and robust weights, against the problem that it solves."""

import numpy as np
import pytest

from dmpcrl_ros.core.averaging import finite_time
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import CouplingGraph, path_graph
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.learner import Transition
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer
from dmpcrl_ros.methods.q_learning.robust import RobustQLearning, prior
from dmpcrl_ros.methods.q_learning.safeguards import Safeguards
from dmpcrl_ros.methods.q_learning.second_order import DistributedNewton
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import run_lockstep

COUNT, RATE = 6, 0.05
GRAPHS = {'chain of 3': path_graph(3), 'ring of 4': CouplingGraph([[3], [0], [1], [2]]), 'alone': path_graph(1)}


class Network:
    """Learners of a network after some random transitions, and the data of all of them together."""

    def __init__(self, graph, *, cost=1.0, units=None, seed=1, td_scale=1.0):
        draw = np.random.default_rng(seed)
        self.sizes = [int(draw.integers(2, 5)) for _ in range(graph.n_agents)]
        self.td_errors = cost * td_scale * draw.normal(0.0, 1.0, COUNT)
        self.prior = [draw.uniform(0.05, 1.0, size) for size in self.sizes]
        self.gradients = [draw.normal(0.0, 1.0, (size, COUNT)) for size in self.sizes]
        roots = [draw.normal(0.0, 0.3, (COUNT, size, size)) for size in self.sizes]
        self.hessians = [-np.sign(self.td_errors)[:, None, None] * root @ root.transpose(0, 2, 1) for root in roots]
        self.units = units or [np.ones(size) for size in self.sizes]
        for i, unit in enumerate(self.units):  # the same network in other units of parameters and costs
            self.prior[i] = self.prior[i] * unit
            self.gradients[i] = cost * self.gradients[i] / unit[:, None]
            self.hessians[i] = cost * self.hessians[i] / np.outer(unit, unit)
        self.cost, self.graph = cost, graph

    def change(self, **options):
        """Changes of theta of all agents in one update."""
        learners = []
        for i in range(self.graph.n_agents):
            consensus = Consensus(i, self.graph, finite_time(self.graph))
            free = np.full(self.sizes[i], np.inf)
            learner = RobustQLearning(
                prior=self.prior[i],
                cost_size=self.cost,
                newton=DistributedNewton(consensus, definite=False),
                consensus=consensus,
                learning_rate=RATE,
                decay=1.0,
                update_every=1,
                safeguards=Safeguards(lower=-free, upper=free, **options),
                replay=ReplayBuffer(capacity=COUNT, sample_size=COUNT, latest=COUNT, seed=1),
            )
            for k in range(COUNT):
                learner.observe(Transition(k + 1, self.td_errors[k], self.gradients[i][:, k], self.hessians[i][k]))
            learners.append(learner)
        start = [np.zeros(size) for size in self.sizes]
        found, _ = run_lockstep([learner.update(COUNT, theta) for learner, theta in zip(learners, start, strict=True)])
        assert not any(each.fault for each in found)
        return np.concatenate([each.theta for each in found])

    def expected(self):
        """alpha (S^-2 lambda + sum omega (g g' - delta h))^-1 sum omega delta g of the whole network, lambda = 1,
        h = 0.5: the recipe as it stands, for costs of size one."""
        G, s = np.vstack(self.gradients), np.concatenate(self.prior)
        weights = [min(1.0, 0.5 / abs(each)) for each in self.td_errors]
        matrix, right, start = np.diag(1.0 / s**2), np.zeros(len(s)), 0
        for omega, delta, g in zip(weights, self.td_errors, G.T, strict=True):
            matrix += omega * np.outer(g, g)
            right += omega * delta * g
        for size, hessians in zip(self.sizes, self.hessians, strict=True):
            part = slice(start, start + size)
            for omega, delta, h in zip(weights, self.td_errors, hessians, strict=True):
                matrix[part, part] -= omega * delta * h
            start += size
        return RATE * np.linalg.solve(matrix, right)


@pytest.mark.parametrize('graph', GRAPHS.values(), ids=GRAPHS.keys())
@pytest.mark.parametrize('td_scale', [0.1, 1.0, 100.0], ids=['no weight', 'some', 'all'])
def test_the_agents_step_is_that_of_the_recipe_for_the_whole_network(graph, td_scale):
    network = Network(graph, td_scale=td_scale)
    assert (np.abs(network.td_errors) > 0.5).any() == (td_scale > 0.1)
    assert network.change() == pytest.approx(network.expected(), rel=1e-9)


def test_a_step_by_hand():
    """One agent, one parameter, s = 0.1, one transition with g = 2, delta = 5, h = 0: omega = 0.1,
    change = 0.05 (100 + 0.1 * 4)^-1 * 0.1 * 5 * 2."""
    network = Network(path_graph(1))
    network.sizes, network.prior = [1], [np.array([0.1])]
    network.td_errors = np.array([5.0] + [0.0] * (COUNT - 1))
    network.gradients = [np.array([[2.0] + [0.0] * (COUNT - 1)])]
    network.hessians = [np.zeros((COUNT, 1, 1))]
    assert network.change() == pytest.approx([0.05 / 100.4], rel=1e-12)


@pytest.mark.parametrize('absolute', [False, True])
@pytest.mark.parametrize('cost', [1e-3, 1.0, 1e6])
def test_the_step_does_not_depend_on_the_units_of_costs_and_parameters(cost, absolute):
    plain = Network(GRAPHS['chain of 3'])
    draw = np.random.default_rng(5)
    units = [10.0 ** draw.integers(-6, 7, size) for size in plain.sizes]
    scaled = Network(GRAPHS['chain of 3'], cost=cost, units=units)
    changes = (network.change(absolute_curvature=absolute) for network in (plain, scaled))
    expected, found = changes
    assert found / np.concatenate(units) == pytest.approx(expected, rel=1e-8)


def test_the_offset_of_the_value_has_the_wider_prior():
    layout = ParameterLayout({'V0': (1,), 'b': (2,)})
    assert prior(layout, np.array([3.0, 2.0, 5.0])) == pytest.approx([3.0, 0.2, 0.5])


def test_one_td_error_far_from_the_others_moves_the_parameters_no_further_than_its_weight_allows():
    """Huber's weights: beyond h a TD error acts with its sign only, up to the part that it has in the matrix."""
    network = Network(path_graph(1))
    found = []
    for outlier in (1e3, 1e6):
        network.td_errors[0] = outlier
        network.hessians = [np.zeros_like(network.hessians[0])]
        found.append(network.change())
    assert found[1] == pytest.approx(found[0], rel=2e-2)


def learned(steps, central=False, **settings):
    settings = Settings(learning__order='robust', **settings)
    loop = ClosedLoop(settings.make_system(), settings, central=central)
    return list(loop.run(steps)), loop


def test_the_distributed_learner_follows_its_centralised_twin():
    alike = {'seed': 3, 'learning__exploration': False}
    (ours, loop), (central, twin) = learned(30, **alike), learned(30, central=True, **alike)
    for step, expected in zip(ours, central, strict=True):
        assert step.actions == pytest.approx(expected.actions, abs=1e-5) and not any(step.faults)
    theta = np.concatenate([agent.theta for agent in loop.agents])
    assert theta == pytest.approx(twin.agents[0].theta, abs=1e-5) and loop.agents[0].updates == 15


def test_it_controls_the_chain_better_within_a_few_hundred_steps():
    """Untrained agents cost about 3.5 a step; a lost plant costs thousands. The twin takes no time for rounds."""
    steps, _ = learned(800, central=True, seed=21)
    costs = np.array([step.costs.sum() for step in steps])
    assert costs[700:].mean() < 0.3 * costs[:100].mean() and costs.max() < 50.0
