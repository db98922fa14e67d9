# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Plant and agents in closed loop, in one process; the reference for the same loop over ROS 2."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from dmpcrl_ros.core.agent import Agent, StepProgram, StepReport
from dmpcrl_ros.core.exchange import ProgramError
from dmpcrl_ros.methods.method import Metric, check_metrics
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.episodes import Episodes, PlantStep
from dmpcrl_ros.simulation.lockstep import StepOutcome, step_in_lockstep
from dmpcrl_ros.systems.system import System

Driver: TypeAlias = Callable[[Sequence[StepProgram]], StepOutcome]


@dataclass(frozen=True)
class Step:
    """One transition of the closed loop: s_t, a_t, L_t and the metrics of the method.

    Args:
        step: t, from 0.
        states: (n,), stacked over agents.
        actions: (m,), stacked over agents.
        costs: L_i (n_agents,).
        metrics: values of the method's metrics that have a column, by name; NaN where none was evaluated.
        rounds: communication rounds of control step t.
        faults: reasons why this transition could not be evaluated, one text for each agent; empty without a fault.
    """

    step: int
    states: np.ndarray
    actions: np.ndarray
    costs: np.ndarray
    metrics: Mapping[str, float]
    rounds: int
    faults: tuple[str, ...]


class ClosedLoop:
    """A system with its agents, stepped in lockstep.

    Args:
        system: to be controlled.
        settings: of the run.
        central: control with the centralised twin instead of the agents.
        drive: driver of the programs of all agents through one control step.
    """

    def __init__(self, system: System, settings: Settings, central: bool = False, drive: Driver = step_in_lockstep):
        self.system = system
        self.plant = system.plant(settings.seed)
        self.agents: list[Agent] = (
            [settings.make_central_agent(system)]
            if central
            else [settings.make_agent(system, i) for i in range(system.n_agents)]
        )
        self._metrics = settings.make_method().metrics
        self._names = {metric.name: metric for metric in self._metrics}
        self._spaces = [(agent.name, agent.action, (agent.action.size,)) for agent in system.agents]
        self._central, self._drive = central, drive

    def run(self, steps: int) -> Iterator[Step]:
        """Transitions 0 to steps - 1. The agents take one more step, to evaluate and learn from the last transition."""
        episodes, begun = Episodes(self.system, self.plant), None
        for step in range(steps + 1):
            seen = episodes.observe()
            acts, reports, rounds = self._drive(
                [agent.step(seen.of_all() if self._central else seen.of(i)) for i, agent in enumerate(self.agents)]
            )
            if begun is not None:
                yield self._transition(begun, seen, reports)
            if step < steps:
                actions = [act.action for act in acts]
                if self._central:
                    actions = self._split(actions[0])
                self._check(actions, reports)
                episodes.apply(actions)
                begun = (seen, np.concatenate(actions), reports, rounds)

    def _check(self, actions: Sequence[np.ndarray], reports: Sequence[StepReport]) -> None:
        """Refuse actions and metrics that would be refused over ROS 2."""
        for (name, space, shape), action in zip(self._spaces, actions, strict=True):
            if np.shape(action) != shape or not space.admits(action):
                raise ProgramError(f'{name}: the action {action} is not in its space of {shape[0]} elements')
        for report in reports:
            check_metrics(report.metrics, self._names)

    def _split(self, stacked: np.ndarray) -> list[np.ndarray]:
        sizes = [agent.action.size for agent in self.system.agents]
        return np.split(stacked, np.cumsum(sizes)[:-1])

    def _transition(
        self,
        begun: tuple[PlantStep, np.ndarray, Sequence[StepReport], int],
        seen: PlantStep,
        ended: Sequence[StepReport],
    ) -> Step:
        start, actions, first, rounds = begun
        metrics = transition_metrics(self._metrics, [r.metrics for r in first], [r.metrics for r in ended])
        return Step(
            start.step,
            np.concatenate(start.states),
            actions,
            seen.costs,
            metrics,
            rounds,
            tuple(report.fault for report in ended),
        )


def transition_metrics(
    declared: Sequence[Metric], begun: Sequence[Mapping[str, float]], ended: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Values of the metrics that have a column, of one transition; NaN where no agent reports one.

    Args:
        declared: metrics of the method.
        begun: reports of all agents in the step in which the transition began.
        ended: reports of all agents in the step in which it ended.
    """
    found = {}
    for metric in declared:
        if metric.column:
            values = [
                each[metric.name]
                for each in (begun if metric.column == 'begun' else ended)
                if not np.isnan(each.get(metric.name, np.nan))
            ]
            # the first agent: sums in different orders differ in the last digit
            found[metric.name] = np.nan if not values else max(values) if metric.column == 'begun' else values[0]
    return found
