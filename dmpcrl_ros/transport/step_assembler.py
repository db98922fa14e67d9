# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Joins the messages of all agents into the transitions of the closed loop; without a node."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

import dmpcrl_ros.msg as msg
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.simulation.closed_loop import Step, transition_metrics
from dmpcrl_ros.transport.conversions import metrics_from_msg

# A missing message counts as lost when both have passed. The writer needs up to 3 s, the period of its heartbeats, to
# notice that a reliable message has not arrived, as after a link was cut; a fast loop makes many steps in this time.
_PATIENT_STEPS, _PATIENT_TIME = 20, 4.0  # s
_NO_STATUS = 'no status of an agent'


class StepAssembler:
    """Collects the messages of control steps until the transition that begins in a step is complete.

    Transition t needs the states of the steps t and t + 1, which contain the applied inputs and their costs. It also
    needs the status of all agents at t and at t + 1, when they evaluated it. A fault replaces a missing status, for
    example of an agent that was not running. Messages of other runs than the first are ignored.

    Args:
        n_agents: of the system.
        metrics: of the method.
    """

    def __init__(self, n_agents: int, metrics: Sequence[Metric]):
        self._n_agents, self._metrics = n_agents, metrics
        self._parts: dict[tuple[int, str], dict[int, msg.State | msg.Status]] = defaultdict(dict)
        self._begun: dict[int, float] = {}  # arrival of the first message of each step
        self._run: int | None = None
        self._newest = 0
        self.next = 0  # present transition
        self.lost = 0  # transitions without a state, which was lost

    def add(self, agent: int, message: msg.State | msg.Status, now: float) -> Iterator[Step]:
        """Add a message, and return the transitions that it completes, in order.

        Args:
            agent: index of the agent.
            message: about the agent.
            now: time of arrival [s].
        """
        if self._run is None:
            self._run = message.run
        if message.run != self._run or message.step < self.next:
            return
        self._parts[message.step, type(message).__name__].setdefault(agent, message)
        self._begun.setdefault(message.step, now)
        self._newest = max(self._newest, message.step)
        while self._whole(self.next) or self._overdue(now):
            yield from self._hand_out()

    def finish(self) -> Iterator[Step]:
        """Return the remaining transitions, after the last message."""
        while self.next < self._newest:
            yield from self._hand_out()

    def _hand_out(self) -> Iterator[Step]:
        step = self.next
        if self._complete(step, 'State') and self._complete(step + 1, 'State'):
            yield self._join(step)
        else:
            self.lost += 1
        for kind in ('State', 'Status'):
            self._parts.pop((step, kind), None)
        self._begun.pop(step, None)
        self.next += 1

    def _overdue(self, now: float) -> bool:
        """Whether a message of the present transition is missing although later ones arrived some time ago."""
        later = self.next + _PATIENT_STEPS
        return any(step > later and now - begun > _PATIENT_TIME for step, begun in self._begun.items())

    def _whole(self, step: int) -> bool:
        return all(self._complete(each, kind) for each in (step, step + 1) for kind in ('State', 'Status'))

    def _complete(self, step: int, kind: str) -> bool:
        return len(self._parts.get((step, kind), ())) == self._n_agents

    def _join(self, step: int) -> Step:
        agents = range(self._n_agents)
        here, there = (self._parts[each, 'State'] for each in (step, step + 1))
        begun, ended = (self._parts[each, 'Status'] for each in (step, step + 1))
        metrics = transition_metrics(
            self._metrics,
            *([metrics_from_msg(reported[agent]) for agent in sorted(reported)] for reported in (begun, ended)),
        )
        return Step(
            step=step,
            states=np.concatenate([here[agent].state for agent in agents]),
            actions=np.concatenate([there[agent].applied for agent in agents]),
            costs=np.array([there[agent].stage_cost for agent in agents]),
            metrics=metrics,
            rounds=max((m.rounds for m in begun.values()), default=0),
            faults=tuple(ended[agent].fault if agent in ended else _NO_STATUS for agent in agents),
        )
