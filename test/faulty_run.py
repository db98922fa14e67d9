# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Closed loops through faults, in virtual time."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np

from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import step_in_lockstep
from dmpcrl_ros.simulation.virtual_time import VirtualTimeNetwork
from dmpcrl_ros.testing.fault_plan import Copy, FaultPlan

HARMLESS = {'duplication': 0.3, 'reordering': 0.3, 'delay_probability': 0.3, 'delay_rounds': 2}
EVERYTHING = HARMLESS | {'corruption': 0.05}


class _Observer:
    """An agent that is told when its step begins which neighbours are left out and which edges cut, as in a node."""

    def __init__(self, agent, index, loop):
        self._agent, self._index, self._loop = agent, index, loop

    def step(self, observation):
        if engines := self._loop.engines:
            engine = engines[self._index]
            hold = 'a neighbour is left out' if engine.left_out else ''
            observation = replace(observation, hold=hold, cut=engine.cut)
        return (yield from self._agent.step(observation))


class Loop:
    """A closed loop that can be run again, each time from its beginning and through another driver."""

    def __init__(self, network, **settings):
        if 'coordination' not in settings:
            settings = {'coordination': 'admm', 'admm__iterations': 5} | settings
        if settings.get('method', 'q_learning') == 'q_learning':
            settings = {'learning__order': 'first'} | settings
        self.network, self._settings = network, Settings(**settings)
        self._loop = ClosedLoop(network, self._settings, drive=lambda programs: self._drive(programs))
        self.agents = self._loop.agents
        self._loop.agents = [_Observer(agent, i, self) for i, agent in enumerate(self.agents)]
        self.engines = None

    def run(self, steps, drive, engines=None):
        """Steps with this driver; with these engines if it has some."""
        self._drive, self.engines = drive, engines
        self._loop.plant.reset(self._settings.seed)
        for agent in self.agents:
            agent.reset()
        return list(self._loop.run(steps))


class Run:
    """Outcome of a closed loop through a plan of faults; without a plan, in plain lockstep.

    Args:
        loop: that is run.
        restarts: an agent that forgets everything, and at which step.
        deadlines: of single steps, in s.
        timing: of VirtualTimeNetwork.
    """

    def __init__(self, plan, steps, loop, *, restarts=None, timing=None, deadlines=None):
        self._agents, self._restarts, self._deadlines = loop.agents, restarts, deadlines or {}
        self.driver = self._network(plan, loop.network.graph, **(timing or {})) if plan else None
        self.reports, self.acts, self.acted_at, self.ended, self.thetas, self.cuts = [], [], [], [], [], []
        self.steps = loop.run(steps, self._watched, self.driver.engines if self.driver else None)
        self.snapshots = [agent.snapshot() for agent in loop.agents]
        self.updates = [agent.updates for agent in loop.agents]

    @staticmethod
    def _network(plan, graph, **timing):
        """With engines as those of the nodes."""
        return VirtualTimeNetwork(plan, graph.neighbours, patient_rounds=graph.diameter, **timing)

    def _watched(self, programs):
        if not self.thetas:
            self.thetas.append([agent.theta for agent in self._agents])
        if self._restarts and len(self.reports) == self._restarts[1]:
            self._agents[self._restarts[0]].reset()
        if self.driver:
            self.driver.deadline = self._deadlines.get(len(self.reports), math.inf)
        outcome = (self.driver or step_in_lockstep)(programs)
        self.reports.append(outcome.reports)
        self.acts.append(outcome.acts)
        self.thetas.append([agent.theta for agent in self._agents])
        if self.driver:
            self.acted_at.append(list(self.driver.acted_at))
            self.cuts.append([set(engine.cut) for engine in self.driver.engines])
            self.ended.append(self.driver.now)
        return outcome

    def numbers(self, steps=None):
        return np.array(
            [np.r_[s.step, s.states, s.actions, s.costs, *s.metrics.values(), s.rounds] for s in self.steps[:steps]]
        )

    def learned(self, step):
        """Flags of the agents that learn from the transition that ended in a step."""
        return [step in snapshot['steps'] for snapshot in self.snapshots]

    def moved(self, step):
        """Flags of the agents whose theta changes in a step."""
        return [not np.array_equal(a, b) for a, b in zip(self.thetas[step], self.thetas[step + 1], strict=True)]

    def dropped(self):
        return sum((engine.mailbox.dropped for engine in self.driver.engines), Counter())

    def lost_steps(self):
        return {step for _, _, step, _, _ in self.driver.lost}


def same(one, other, steps=None):
    return np.array_equal(one.numbers(steps), other.numbers(steps), equal_nan=True)


def same_theta(one, other):
    return all(map(np.array_equal, one.thetas[-1], other.thetas[-1]))


class Chosen(FaultPlan):
    """Loses chosen messages: (sender, receiver, step, round), and the kind if only that one is to be lost."""

    def __init__(self, *lost):
        super().__init__()
        object.__setattr__(self, 'lost', lost)

    def copies(self, sender, receiver, step, round, kind, attempt=0):
        stamp = (sender, receiver, step, round)
        return [] if {stamp, (*stamp, kind)} & set(self.lost) else [Copy()]
