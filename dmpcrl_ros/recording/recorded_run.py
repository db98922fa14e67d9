# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A recorded run in memory; run_reader makes it from the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.recording.configuration import agent_sizes, metrics_of
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.settings.run import Settings, settings_table, with_effect
from dmpcrl_ros.simulation.closed_loop import Step


class ParameterHistory(NamedTuple):
    """theta of one agent: rows (p,) with the control step and the number of updates from which each is valid."""

    steps: np.ndarray
    updates: np.ndarray
    theta: np.ndarray
    labels: list[str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """T transitions of n states and m inputs, stacked over agents in their order.

    Args:
        configuration: content of configuration.json.
        steps: t (T,), int.
        states: (T, n).
        actions: (T, m).
        costs: L_i, (T, n_agents).
        metrics: (T,) of each metric that has a column, by name; NaN where none was evaluated.
        rounds: (T,), int.
        faults: one text for each step, empty without a fault.
        parameters: history of theta_i by the name of the agent.
    """

    configuration: dict[str, Any]
    steps: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    costs: np.ndarray
    metrics: dict[str, np.ndarray]
    rounds: np.ndarray
    faults: list[str]
    parameters: dict[str, ParameterHistory]

    @cached_property
    def settings(self) -> Settings:
        """Settings of the run, to repeat it.

        Raises:
            RunDirectoryError: they do not fit this version of the package, or the system or the method is not
                installed.
        """
        try:
            values = self.configuration['settings']
            known = {entry.name for entry in settings_table(values['system'], values['method'])}
            before = {'coordination': 'admm'} if 'coordination' in known else {}  # of runs older than this setting
            return Settings(**with_effect(before | values))
        except (KeyError, TypeError, ValueError) as error:
            raise RunDirectoryError(f'the settings of the run do not fit this version of dmpcrl_ros: {error}') from None

    @property
    def declared_metrics(self) -> tuple[Metric, ...]:
        """All metrics of the method; those with a column are in `metrics`."""
        return metrics_of(self.configuration)

    @property
    def episode_length(self) -> int:
        """Control steps of an episode; 0 for an endless one."""
        return self.configuration.get('episode_length', 0)

    @property
    def ends(self) -> np.ndarray:
        """Whether a transition is the last of its episode, from which agents do not learn, (T,)."""
        length = self.episode_length
        return (self.steps + 1) % length == 0 if length else np.zeros(len(self.steps), dtype=bool)

    @property
    def void(self) -> np.ndarray:
        """Whether agents could not learn from a transition, (T,), although it is not the last of its episode.

        Such a transition has a fault, and lacks all numbers about ended transitions, if the method has such.
        """
        ended = [self.metrics[metric.name] for metric in self.declared_metrics if metric.of_transition]
        faulty = np.array([bool(fault) for fault in self.faults], dtype=bool)
        return faulty & (np.isnan(ended).all(axis=0) if ended else True) & ~self.ends

    @property
    def updates(self) -> int:
        """Largest number of updates of the parameters of an agent."""
        return max((int(history.updates.max(initial=0)) for history in self.parameters.values()), default=0)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names, in the order of the columns."""
        return tuple(agent_sizes(self.configuration))

    @property
    def state_parts(self) -> list[slice]:
        """Columns of `states` of each agent."""
        return _parts([sizes[0] for sizes in agent_sizes(self.configuration).values()])

    @property
    def input_parts(self) -> list[slice]:
        """Columns of `actions` of each agent."""
        return _parts([sizes[1] for sizes in agent_sizes(self.configuration).values()])

    @property
    def state_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all states, (n,) each; infinite for none."""
        return self._bounds('state')

    @property
    def input_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all inputs, (m,) each; infinite for none."""
        return self._bounds('input')

    def layout(self, agent: str) -> ParameterLayout:
        """Named slices of the theta of an agent."""
        shapes = next(a['parameters'] for a in self.configuration['agents'] if a['name'] == agent)
        return ParameterLayout({name: tuple(shape) for name, shape in shapes.items()})

    def _bounds(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = (
            [value for agent in self.configuration['agents'] for value in agent[f'{kind}_{side}']]
            for side in ('lower', 'upper')
        )
        return (
            np.array([-np.inf if value is None else value for value in lower], dtype=float),
            np.array([np.inf if value is None else value for value in upper], dtype=float),
        )


def recorded_arrays(run: Run | Sequence[Step]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """steps (T,), states (T, n) and costs (T, n_agents) of a recorded run or of T transitions."""
    if isinstance(run, Run):
        return run.steps, run.states, run.costs
    if not run:
        return np.zeros(0, dtype=int), np.zeros((0, 0)), np.zeros((0, 0))
    return (
        np.array([step.step for step in run], dtype=int),
        np.array([step.states for step in run]),
        np.array([step.costs for step in run]),
    )


def _parts(sizes: list[int]) -> list[slice]:
    ends = np.cumsum([0, *sizes]).tolist()
    return [slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False)]
