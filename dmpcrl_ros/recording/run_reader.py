# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Reads a run from its files, which run_directory describes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dmpcrl_ros.recording.configuration import agent_sizes, metrics_of
from dmpcrl_ros.recording.recorded_run import ParameterHistory, Run
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


def load_run(path: str | Path) -> Run:
    """Read a run.

    An incomplete last line of a file is left out. The method and the system of the run need not be installed.

    Raises:
        RunDirectoryError: there is no run in the directory, or a file of it is damaged; the message names the place.
    """
    path = Path(path)
    configuration = _configuration(path)
    try:
        agent_sizes(configuration)
        layouts = {a['name']: [*PARAMETER_COLUMNS, *a['labels']] for a in configuration['agents']}
        metrics_of(configuration)
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
    """Untrained controllers on the same noise as `run`, which was read from `path`; None if they were not recorded.

    Raises:
        RunDirectoryError: their file is damaged; the message names the place.
    """
    file = Path(path, UNTRAINED)
    return replace(run, parameters={}, **_steps(file, run.configuration)) if file.exists() else None


def load_dual_errors(path: str | Path) -> dict[str, np.ndarray] | None:
    """Errors of the multipliers after ADMM iterations 1, 2, ... by the name of the state; None if not recorded.

    Raises:
        RunDirectoryError: the file is damaged; the message names the place.
    """
    file = Path(path, DUAL_ERRORS)
    rows = list(read_rows(file, DUAL_ERROR_COLUMNS, lambda row: [*map(float, row)])) if file.exists() else []
    return dict(zip(DUAL_ERROR_COLUMNS[1:], np.array(rows).T[1:], strict=True)) if rows else None


def _steps(file: Path, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a Run that a file of transitions has."""
    sizes = agent_sizes(configuration)
    metrics = [metric.name for metric in metrics_of(configuration) if metric.column]
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
    parts = np.split(values, cuts, axis=1)  # states and inputs alternate, agent after agent
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
