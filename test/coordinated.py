# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Evaluations of a whole network by messages along a tree, and the centralised ones to compare them with."""

from pathlib import Path

import numpy as np
import pytest
from dense_programme import optimum
from helpers import central_of, initial_thetas

from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.methods.mpc_build import local_structure
from dmpcrl_ros.mpc.coordination import CoordinationOptions
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.mpc.programme import QpSolution
from dmpcrl_ros.mpc.tree_coordination import TREE_METHODS, TreeCoordination
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.simulation.virtual_time import VirtualTimeNetwork
from dmpcrl_ros.testing.fault_plan import FaultPlan

CONFIG = Path(__file__).resolve().parents[1] / 'config'


class Coordinated:
    """All agents of a network, coordinated along a spanning tree."""

    def __init__(self, network, thetas=None, method='reactions', **options):
        self.network, self.tree = network, SpanningTree(network.graph)
        self.structures = [local_structure(network, i, self.tree) for i in range(network.n_agents)]
        self.mpcs = [
            ParametricMpc(network.local_problem(i), network.parameters(i)[0], theta, structure=self.structures[i])
            for i, theta in enumerate(thetas or initial_thetas(network))
        ]
        self.methods = [
            TreeCoordination(TREE_METHODS[method], i, self.tree, structure, CoordinationOptions(**options))
            for i, structure in enumerate(self.structures)
        ]

    def use_without(self, cut):
        """Continue along the tree of the graph without these edges."""
        self.tree = SpanningTree(self.network.graph, cut)
        self.structures = [local_structure(self.network, i, self.tree) for i in range(self.network.n_agents)]
        for mpc, method, structure in zip(self.mpcs, self.methods, self.structures, strict=True):
            mpc.use(structure)
            method.use(self.tree, structure)

    def requests(self, states, actions=None, exogenous=None):
        """One request for each agent."""
        nothing = [None] * len(states)
        given = zip(states, actions or nothing, exogenous or nothing, strict=True)
        return [mpc.request(*each) for mpc, each in zip(self.mpcs, given, strict=True)]

    def run(self, requests, sums=(), maxima=()):
        """Outcomes of all agents for requests by name, each a list over agents."""
        programs = [
            method.run(
                {name: each[i] for name, each in requests.items()},
                [term[i] for term in sums],
                [value[i] for value in maxima],
            )
            for i, method in enumerate(self.methods)
        ]
        if self.tree.cut:  # the parts need not end together
            return VirtualTimeNetwork(FaultPlan(), self.network.graph.neighbours)(programs).reports
        return run_lockstep(programs)[0]

    def evaluate(self, states, actions=None, exogenous=None):
        return self.run({'V': self.requests(states, actions, exogenous)})

    def action(self, outcomes, name='V'):
        return np.concatenate(
            [mpc.action(each.answers[name].solution) for mpc, each in zip(self.mpcs, outcomes, strict=True)]
        )

    def gradient(self, outcomes, name='V'):
        """Gradient of the value in the stacked parameters."""
        return np.concatenate(
            [
                mpc.sensitivities(each.answers[name].solution).gradient
                for mpc, each in zip(self.mpcs, outcomes, strict=True)
            ]
        )


class Central:
    """The problem of the whole network, solved at once by another solver with explicit slack variables."""

    def __init__(self, network, thetas=None):
        self.mpc = central_of(network, thetas).mpc
        self._problem = network.central_problem()

    def evaluate(self, states, actions=None, exogenous=None):
        """First inputs, value, and gradient in the stacked parameters."""
        state, action = np.concatenate(states), None if actions is None else np.concatenate(actions)
        self.mpc.begin(state, action, exogenous=None if exogenous is None else np.concatenate(exogenous))
        solution = self._solution(self.mpc.programme, state, action)
        mpc = self.mpc
        return mpc.action(solution), mpc.value(solution), mpc.sensitivities(solution).gradient.copy()

    def _solution(self, data, state, action):
        n, r, m = len(data.linear), len(data.soft), len(data.equality_value)
        hessian, rows = np.zeros((n + r, n + r)), np.zeros((m + 2 * r, n + r))
        hessian[:n, :n] = data.hessian
        rows[:m, :n] = data.equality
        each = np.arange(r)
        rows[m + each, data.soft] = rows[m + r + each, data.soft] = 1.0
        rows[m + each, n + each], rows[m + r + each, n + each] = -1.0, 1.0  # v - sigma <= upper, v + sigma >= lower
        free = np.full(r, np.inf)
        lower, upper = np.concatenate([data.lower, np.zeros(r)]), np.concatenate([data.upper, free])
        lower[self._problem.state] = upper[self._problem.state] = state
        if action is not None:
            lower[self._problem.action] = upper[self._problem.action] = action
        v, dual, _ = optimum(
            H=hessian,
            q=np.concatenate([data.linear, data.penalty]),
            A=rows,
            lba=np.concatenate([data.equality_value, -free, data.soft_lower]),
            uba=np.concatenate([data.equality_value, data.soft_upper, free]),
            lbx=lower,
            ubx=upper,
        )
        return QpSolution(v[:n], v[n:], dual[:m], np.zeros(n), -dual[m + r :], dual[m : m + r], 0.0)


def loads_of(network, draw):
    return [0.1 * draw.standard_normal(data.n_exogenous) for data in network.local]


def check(network, coordinated, outcomes, expected, name='V', action_given=False):
    """Certified answers are those of the whole network, at every agent; the others say that they are not."""
    u, value, gradient = expected
    assert len({each.certified for each in outcomes}) == len({each.change for each in outcomes}) == 1
    if not outcomes[0].certified:
        return False
    for each in outcomes:
        assert each.answers[name].value == pytest.approx(value, rel=1e-9, abs=1e-9)
    if not action_given:
        assert coordinated.action(outcomes, name) == pytest.approx(u, abs=1e-7)
    found = coordinated.gradient(outcomes, name)
    assert np.linalg.norm(found - gradient) <= 1e-6 * max(1.0, np.linalg.norm(gradient))
    return True
