# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A run as it was written to disk, read back: see run_directory for the files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.recording.run_files import (
    CONFIGURATION,
    DUAL_ERROR_COLUMNS,
    DUAL_ERRORS,
    PARAMETER_COLUMNS,
    STEPS,
    UNTRAINED,
    RunDirectoryError,
    parameters_file,
    read_rows,
    step_columns,
)
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import Step


class ParameterHistory(NamedTuple):
    """theta of one agent: its rows (p,) with the control step and the number of updates from which each held."""

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
        faults: one text for each step, empty where all went well.
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
        """The settings of the run, to repeat it.

        Raises:
            RunDirectoryError: this version of the package refuses them, or lacks the system or the method.
        """
        try:
            return Settings(**self.configuration['settings'])
        except (KeyError, TypeError, ValueError) as error:
            raise RunDirectoryError(f'the settings of the run do not fit this version of dmpcrl_ros: {error}') from None

    @property
    def declared_metrics(self) -> tuple[Metric, ...]:
        """All metrics of the method; those with a column are in `metrics`."""
        return _metrics(self.configuration)

    @property
    def episode_length(self) -> int:
        """Control steps of an episode; 0 for an endless one."""
        return self.configuration.get('episode_length', 0)

    @property
    def ends(self) -> np.ndarray:
        """Whether a transition is the last of its episode, from which nothing is learned, (T,)."""
        length = self.episode_length
        return (self.steps + 1) % length == 0 if length else np.zeros(len(self.steps), dtype=bool)

    @property
    def void(self) -> np.ndarray:
        """Whether nothing could be learned from a transition, (T,), though it is not the last of its episode.

        A method without metrics of ended transitions reports a fault then, any other one no metric.
        """
        ended = [self.metrics[metric.name] for metric in self.declared_metrics if metric.column == 'ended']
        missing = np.isnan(ended).all(axis=0) if ended else np.array([bool(fault) for fault in self.faults], dtype=bool)
        return missing & ~self.ends

    @property
    def updates(self) -> int:
        """Largest number of updates that an agent has made of its parameters."""
        return max((int(history.updates.max(initial=0)) for history in self.parameters.values()), default=0)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names, in the order of the columns."""
        return tuple(_sizes(self.configuration))

    @property
    def state_parts(self) -> list[slice]:
        """Columns of `states` of each agent."""
        return _parts([sizes[0] for sizes in _sizes(self.configuration).values()])

    @property
    def input_parts(self) -> list[slice]:
        """Columns of `actions` of each agent."""
        return _parts([sizes[1] for sizes in _sizes(self.configuration).values()])

    @property
    def state_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all states, (n,) each; infinite where there is none."""
        return self._bounds('state')

    @property
    def input_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all inputs, (m,) each; infinite where there is none."""
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
    """steps (T,), states (T, n) and costs (T, n_agents) of a run or of T transitions that were not written."""
    if isinstance(run, Run):
        return run.steps, run.states, run.costs
    if not run:
        return np.zeros(0, dtype=int), np.zeros((0, 0)), np.zeros((0, 0))
    return (
        np.array([step.step for step in run], dtype=int),
        np.array([step.states for step in run]),
        np.array([step.costs for step in run]),
    )


def load_run(path: str | Path) -> Run:
    """Read a run.

    An incomplete last line of a file, as of a run that was killed, is left out. The method and the system of the run
    need not be installed.

    Raises:
        RunDirectoryError: there is no run in the directory, or a file of it is damaged; says where.
    """
    path = Path(path)
    configuration = _configuration(path)
    try:
        _sizes(configuration)
        layouts = {a['name']: [*PARAMETER_COLUMNS, *a['labels']] for a in configuration['agents']}
        _metrics(configuration)
    except (KeyError, TypeError) as error:
        if 'scenario' in configuration and 'metrics' not in configuration:
            raise RunDirectoryError(
                f'{path} was recorded by an older version of dmpcrl_ros, whose runs cannot be read any more'
            ) from None
        reason = f'no {error}' if isinstance(error, KeyError) else error
        raise RunDirectoryError(f'{path / CONFIGURATION} is not the configuration of a run: {reason}') from None
    parameters = {agent: _parameters(path / parameters_file(agent), header) for agent, header in layouts.items()}
    return Run(configuration=configuration, parameters=parameters, **_steps(path / STEPS, configuration))


def load_untrained(run: Run, path: str | Path) -> Run | None:
    """The untrained controllers on the same noise as `run`, which was read from `path`; None if they were not recorded.

    Raises:
        RunDirectoryError: their file is damaged; says where.
    """
    file = Path(path, UNTRAINED)
    return replace(run, parameters={}, **_steps(file, run.configuration)) if file.exists() else None


def load_dual_errors(path: str | Path) -> dict[str, np.ndarray] | None:
    """Errors of the multipliers after ADMM iterations 1, 2, ... by the state that they are of; None if not recorded.

    Raises:
        RunDirectoryError: the file is damaged; says where.
    """
    file = Path(path, DUAL_ERRORS)
    rows = list(read_rows(file, DUAL_ERROR_COLUMNS, lambda row: [*map(float, row)])) if file.exists() else []
    return dict(zip(DUAL_ERROR_COLUMNS[1:], np.array(rows).T[1:], strict=True)) if rows else None


def _steps(file: Path, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Run that stand in a file of transitions."""
    sizes = _sizes(configuration)
    metrics = [metric.name for metric in _metrics(configuration) if metric.column]
    header = step_columns(sizes, metrics)
    last = 2 + len(metrics)  # columns before rounds and fault

    def parse(row: list[str]) -> list[Any]:
        return [
            int(row[0]),
            float(row[1]),
            *(float(text or 'nan') for text in row[2:last]),
            int(row[last]),
            row[last + 1],
            *map(float, row[last + 2 :]),
        ]

    rows = list(read_rows(file, header, parse))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
    numbers = np.array([row[last + 2 :] for row in rows], dtype=float).reshape(-1, len(header) - last - 2)
    costs, values = np.split(numbers, [len(sizes)], axis=1)
    cuts = np.cumsum([n for n_x_n_u in sizes.values() for n in n_x_n_u])[:-1]
    parts = np.split(values, cuts, axis=1)  # states and inputs by turns, agent after agent
    return {
        'steps': np.array(columns[0], dtype=int),
        'states': np.hstack(parts[0::2]),
        'actions': np.hstack(parts[1::2]),
        'costs': costs.copy(),
        'rounds': np.array(columns[last], dtype=int),
        'faults': list(columns[last + 1]),
        'metrics': {name: np.array(columns[2 + k], dtype=float) for k, name in enumerate(metrics)},
    }


def _configuration(path: Path) -> dict[str, Any]:
    try:
        return json.loads((path / CONFIGURATION).read_text(encoding='utf-8'))
    except (FileNotFoundError, NotADirectoryError):
        raise RunDirectoryError(f'{path} holds no run: there is no {CONFIGURATION}') from None
    except OSError as error:
        raise RunDirectoryError(f'cannot read {path / CONFIGURATION}: {error.strerror}') from None
    except ValueError as error:
        raise RunDirectoryError(f'{path / CONFIGURATION} is damaged: {error}') from None


def _parameters(file: Path, header: list[str]) -> ParameterHistory:
    rows = list(read_rows(file, header, lambda row: [int(row[0]), int(row[1]), *map(float, row[2:])]))
    first = len(PARAMETER_COLUMNS)
    return ParameterHistory(
        np.array([row[0] for row in rows], dtype=int),
        np.array([row[1] for row in rows], dtype=int),
        np.array([row[first:] for row in rows], dtype=float).reshape(len(rows), len(header) - first),
        header[first:],
    )


def _sizes(configuration: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {agent['name']: (agent['n_x'], agent['n_u']) for agent in configuration['agents']}


def _metrics(configuration: Mapping[str, Any]) -> tuple[Metric, ...]:
    return tuple(Metric(**entry) for entry in configuration['metrics'])


def _parts(sizes: list[int]) -> list[slice]:
    ends = np.cumsum([0, *sizes]).tolist()
    return [slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False)]
