"""A run on disk: configuration.json, steps.csv and a parameters_<agent>.csv for each agent. Text only, nothing pickled.

steps.csv grows by a whole line at a time, so it can be followed while the run lasts, and what a killed run wrote can be
read. Numbers are written with the digits that give the same float64 when read back. Beside them may stand what the
figures need besides: untrained.csv, the transitions of the untrained controllers on the same noise, and
dual_errors.csv.
"""

import csv
import json
import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import isnan
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

import dmpcrl_ros
from dmpcrl_ros.recording.recorded_run import (
    CONFIGURATION,
    DUAL_ERROR_COLUMNS,
    DUAL_ERRORS,
    PARAMETER_COLUMNS,
    STEPS,
    UNTRAINED,
    Run,
    RunDirectoryError,
    load_run,
    parameters_file,
    step_columns,
)
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import Step
from dmpcrl_ros.systems.system import Scenario

__all__ = ['Run', 'RunDirectoryError', 'RunWriter', 'UntrainedWriter', 'check_unused', 'load_run',
           'record_dual_errors']


def check_unused(path: str | Path) -> None:
    """Before a long run: raise RunDirectoryError if `path` holds a run already or is no directory."""
    path = Path(path)
    try:
        if path.exists() and not path.is_dir():
            raise RunDirectoryError(f'{path} is no directory; choose another with --output')
        if (any((path / name).exists() for name in (CONFIGURATION, STEPS, UNTRAINED, DUAL_ERRORS))
                or any(path.glob(parameters_file('*')))):
            raise RunDirectoryError(f'{path} already holds a run; choose another directory with --output')
    except OSError as error:
        raise RunDirectoryError(f'cannot look into {path}: {error.strerror}') from None


class _StepsWriter:
    """Writes transitions into a file of a directory; a context manager."""

    def __init__(self, path: str | Path, network: Scenario, name: str):
        self.path = Path(path)
        self._entries = [(x.start, x.stop, u.start, u.stop)
                         for x, u in zip(network.state_parts, network.input_parts, strict=True)]
        self._files = ExitStack()
        sizes = {name: (data.n_states, data.n_inputs) for name, data in zip(network.names, network.local, strict=True)}
        self._steps = self._open(name, step_columns(sizes))

    def record(self, step: Step) -> None:
        """Append a transition.

        Raises:
            RunDirectoryError: it cannot be written, as on a full disk.
        """
        states, actions, costs = step.states.tolist(), step.actions.tolist(), step.costs.tolist()
        row = [step.step, '' if isnan(step.td_error) else float(step.td_error), sum(costs), int(step.explored),
               step.rounds, _one_line(step.faults), *costs]
        for x_start, x_stop, u_start, u_stop in self._entries:
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

    def __exit__(self, *exception) -> None:
        self.close()

    def _open(self, name: str, header: list[str]) -> TextIO:
        try:
            file = open(self.path / name, 'x', newline='', encoding='utf-8', buffering=1)  # noqa: SIM115
            self._files.enter_context(file)
            _csv(file).writerow(header)
        except OSError as error:
            self._files.close()
            raise _unwritable(self.path, error) from None
        return file

    def _write(self, file: TextIO, row: list) -> None:
        try:
            _csv(file).writerow(row)
        except OSError as error:
            raise _unwritable(self.path, error) from None


class UntrainedWriter(_StepsWriter):
    """Writes, beside a run, the transitions of the untrained controllers on the same noise; a context manager.

    Args:
        path: of the directory of the run. network: of the run.

    Raises:
        RunDirectoryError: they are there already, or cannot be written.
    """

    def __init__(self, path: str | Path, network: Scenario):
        super().__init__(path, network, UNTRAINED)


class RunWriter(_StepsWriter):
    """Writes a run into a directory of its own; a context manager.

    Args:
        path: of the directory; made if there is none.
        network, settings: of the run. Of settings made for a node, those that decide the numbers are written.
        extra: further facts for the configuration, of JSON types and NumPy arrays.

    Raises:
        RunDirectoryError: the directory holds a run already, or cannot be written to.
    """

    def __init__(self, path: str | Path, network: Scenario, settings: Settings,
                 extra: Mapping[str, Any] | None = None):
        text = json.dumps(_configuration(network, settings, extra or {}), indent=2, default=_plain, allow_nan=False)
        headers = {parameters_file(agent): [*PARAMETER_COLUMNS, *network.parameters(i)[0].labels]
                   for i, agent in enumerate(network.names)}
        check_unused(path)
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
            with open(Path(path, CONFIGURATION), 'x', encoding='utf-8') as file:
                file.write(text + '\n')
        except OSError as error:
            raise _unwritable(path, error) from None
        super().__init__(path, network, STEPS)
        self._parameters = [self._open(name, header) for name, header in headers.items()]

    def record_parameters(self, agent_index: int, step: int, updates: int, theta: np.ndarray) -> None:
        """Append theta_i (p,) as it is from control step `step` on, after `updates` updates; begin with 0 updates.

        Raises:
            RunDirectoryError: it cannot be written, as on a full disk.
        """
        self._write(self._parameters[agent_index], [step, updates, *theta.tolist()])


def record_dual_errors(path: str | Path, errors: Mapping[str, np.ndarray]) -> None:
    """Write, beside a run, the errors of the multipliers after ADMM iterations 1, 2, ...

    Args:
        path: of the directory of the run. errors: (iterations,) by the names in DUAL_ERROR_COLUMNS.

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


def _csv(file: TextIO):
    return csv.writer(file, lineterminator='\n')


def _one_line(faults: tuple[str, ...]) -> str:
    """Each different fault once. Without line breaks, so that a line of the file is a step."""
    return '; '.join(dict.fromkeys(' '.join(fault.split()) for fault in faults if fault)) if any(faults) else ''


def _configuration(network: Scenario, settings: Settings, extra: Mapping[str, Any]) -> dict[str, Any]:
    return {
        'scenario': network.name, 'seed': settings.seed, 'started': datetime.now(UTC).isoformat(timespec='seconds'),
        'episode_length': network.episode_length,
        'settings': {field.name: getattr(settings, field.name) for field in fields(Settings)},
        'agents': [_agent(network, i) for i in range(network.n_agents)],
        'versions': {
            'dmpcrl_ros': dmpcrl_ros.__version__, 'python': platform.python_version(), 'platform': platform.platform(),
            **{name: _version(name) for name in ('numpy', 'scipy', 'casadi', 'daqp')}},
        'extra': dict(extra)}


def _agent(network: Scenario, index: int) -> dict[str, Any]:
    """Dimensions, bounds (null where there is none: JSON has no infinity) and the shapes of the named parameters."""
    data, (layout, _) = network.local[index], network.parameters(index)
    bounds = {key: [value if np.isfinite(value) else None for value in getattr(data, key).tolist()]
              for key in ('state_lower', 'state_upper', 'input_lower', 'input_upper')}
    return {'name': network.names[index], 'n_x': data.n_states, 'n_u': data.n_inputs, **bounds,
            'parameters': layout.shapes, 'labels': layout.labels}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return 'unknown'


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)
