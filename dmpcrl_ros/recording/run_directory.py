# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A run on disk: configuration.json, steps.csv and a parameters_<agent>.csv for each agent. Text only, nothing pickled.

steps.csv grows by a whole line at a time: it can be followed during the run, and read after the run was killed. Numbers
have the digits that give the same float64 when read back. Two files for the figures may be added: untrained.csv, the
transitions of the untrained controllers on the same noise, and dual_errors.csv.
"""

import csv
import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from math import isnan
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from dmpcrl_ros.methods.method import Method
from dmpcrl_ros.recording.configuration import configuration_of
from dmpcrl_ros.recording.run_files import (
    CONFIGURATION,
    DUAL_ERROR_COLUMNS,
    DUAL_ERRORS,
    PARAMETER_COLUMNS,
    STEPS,
    UNTRAINED,
    RunDirectoryError,
    parameters_file,
    step_columns,
)
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import Step
from dmpcrl_ros.systems.system import System


def check_unused(path: str | Path) -> None:
    """Raise RunDirectoryError if `path` already holds a run or is not a directory. Call it before a long run."""
    path = Path(path)
    try:
        if path.exists() and not path.is_dir():
            raise RunDirectoryError(f'{path} is not a directory: choose another output')
        if any((path / name).exists() for name in (CONFIGURATION, STEPS, UNTRAINED, DUAL_ERRORS)) or any(
            path.glob(parameters_file('*'))
        ):
            raise RunDirectoryError(f'{path} already holds a run: choose another output directory')
    except OSError as error:
        raise RunDirectoryError(f'cannot look into {path}: {error.strerror}') from None


class _StepsWriter:
    """Writes transitions into a file of a directory; a context manager."""

    def __init__(self, path: str | Path, system: System, method: Method, name: str):
        self.path = Path(path)
        self._metrics = [metric for metric in method.metrics if metric.column]
        ends = np.cumsum([(0, 0), *_sizes(system).values()], axis=0).tolist()
        self._entries = [(*first, *last) for first, last in zip(ends, ends[1:], strict=False)]
        self._files = ExitStack()
        self._opened: list[Path] = []
        self._steps = self._open(name, _header(system, method))

    def record(self, step: Step) -> None:
        """Append a transition.

        Raises:
            RunDirectoryError: it cannot be written, as on a full disk.
        """
        states, actions, costs = step.states.tolist(), step.actions.tolist(), step.costs.tolist()
        metrics = [_cell(step.metrics[metric.name], metric.flag) for metric in self._metrics]
        row = [step.step, sum(costs), *metrics, step.rounds, _one_line(step.faults), *costs]
        for x_start, u_start, x_stop, u_stop in self._entries:
            row += states[x_start:x_stop]
            row += actions[u_start:u_stop]
        self._write(self._steps, row)

    def close(self) -> None:
        """Close the files; further calls do nothing."""
        try:
            self._files.close()
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self, name: str, header: list[str]) -> TextIO:
        try:
            file = open(self.path / name, 'x', newline='', encoding='utf-8', buffering=1)  # noqa: SIM115
            self._files.enter_context(file)
            self._opened.append(self.path / name)
            _csv(file).writerow(header)
        except OSError as error:
            self._files.close()
            raise _unwritable(self.path, error) from None
        return file

    def _write(self, file: TextIO, row: list[Any]) -> None:
        try:
            _csv(file).writerow(row)
        except OSError as error:
            raise _unwritable(self.path, error) from None


class UntrainedWriter(_StepsWriter):
    """Writes, beside a run, the transitions of the untrained controllers on the same noise; a context manager.

    Args:
        path: of the directory of the run.
        system: of the run.
        settings: of the run.

    Raises:
        RunDirectoryError: they exist already, or cannot be written.
    """

    def __init__(self, path: str | Path, system: System, settings: Settings):
        super().__init__(path, system, settings.make_method(), UNTRAINED)


class RunWriter(_StepsWriter):
    """Writes a run into a directory of its own; a context manager.

    Args:
        path: of the directory; made if it does not exist.
        system: of the run.
        settings: of the run.
        extra: further facts for the configuration, of JSON types and NumPy arrays.

    Raises:
        RunDirectoryError: the directory already holds a run, or cannot be written to.
        ValueError: a metric of the method has the name of another column.
    """

    def __init__(self, path: str | Path, system: System, settings: Settings, extra: Mapping[str, Any] | None = None):
        configuration = configuration_of(system, settings, extra or {})
        text = json.dumps(configuration, indent=2, default=_plain, allow_nan=False)
        _header(system, settings.make_method())  # raises before anything is written
        check_unused(path)
        self._is_own = not Path(path).exists()
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
            with open(Path(path, CONFIGURATION), 'x', encoding='utf-8') as file:
                file.write(text + '\n')
        except OSError as error:
            raise _unwritable(path, error) from None
        self._has_steps = False
        super().__init__(path, system, settings.make_method(), STEPS)
        self._parameters = [
            self._open(parameters_file(agent['name']), [*PARAMETER_COLUMNS, *agent['labels']])
            for agent in configuration['agents']
        ]

    def record(self, step: Step) -> None:
        """Append a transition (see _StepsWriter)."""
        self._has_steps = True
        super().record(step)

    def discard_if_empty(self) -> None:
        """Close the files, and remove them if no transition was recorded."""
        self.close()
        if self._has_steps:
            return
        with suppress(OSError):
            for file in (*self._opened, self.path / CONFIGURATION):
                file.unlink(missing_ok=True)
            if self._is_own:
                self.path.rmdir()

    def record_parameters(self, agent_index: int, step: int, updates: int, theta: np.ndarray) -> None:
        """Append the parameters of an agent. The first row must have 0 updates.

        Args:
            agent_index: index of the agent.
            step: control step from which they are valid.
            updates: number of updates.
            theta: theta_i (p,).

        Raises:
            RunDirectoryError: it cannot be written, as on a full disk.
        """
        self._write(self._parameters[agent_index], [step, updates, *theta.tolist()])


def record_dual_errors(path: str | Path, errors: Mapping[str, np.ndarray]) -> None:
    """Write, beside a run, the errors of the multipliers after ADMM iterations 1, 2, ...

    Args:
        path: of the directory of the run.
        errors: (iterations,) by the names in DUAL_ERROR_COLUMNS.

    Raises:
        RunDirectoryError: they cannot be written.
    """
    columns = [errors[name].tolist() for name in DUAL_ERROR_COLUMNS[1:]]
    try:
        with open(Path(path, DUAL_ERRORS), 'w', newline='', encoding='utf-8') as file:
            _csv(file).writerows([DUAL_ERROR_COLUMNS, *zip(range(1, len(columns[0]) + 1), *columns, strict=True)])
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: str | Path, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(f'cannot write the run to {path}: {error.strerror}')


def _csv(file: TextIO) -> Any:
    return csv.writer(file, lineterminator='\n')


def _sizes(system: System) -> dict[str, tuple[int, int]]:
    return {agent.name: (agent.state.size, agent.action.size) for agent in system.agents}


def _header(system: System, method: Method) -> list[str]:
    return step_columns(_sizes(system), [metric.name for metric in method.metrics if metric.column])


def _cell(value: float, flag: bool) -> float | int | str:
    if isnan(value):
        return ''
    return int(value) if flag else float(value)


def _one_line(faults: tuple[str, ...]) -> str:
    """Each different fault once, without line breaks: one line of the file is one step."""
    return '; '.join(dict.fromkeys(' '.join(fault.split()) for fault in faults if fault)) if any(faults) else ''


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)
