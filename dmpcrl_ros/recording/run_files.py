# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Names and columns of the files of a run, and a reader of their rows."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CONFIGURATION = 'configuration.json'
STEPS = 'steps.csv'
UNTRAINED = 'untrained.csv'
DUAL_ERRORS = 'dual_errors.csv'
DIVERGED = 'diverged.txt'  # exists if the run ended early because its plant diverged
PARAMETER_COLUMNS = ('step', 'updates')
DUAL_ERROR_COLUMNS = ('iteration', 'initial state', 'a state of the run')


class RunDirectoryError(ValueError):
    """A directory cannot be written to or holds no readable run; the message says which and what to do."""


def parameters_file(agent: str) -> str:
    """Name of the file with the parameters of an agent."""
    return f'parameters_{agent}.csv'


def step_columns(agents: Mapping[str, tuple[int, int]], metrics: Sequence[str]) -> list[str]:
    """Header of steps.csv.

    Args:
        agents: numbers of states and inputs of each.
        metrics: names of the metrics with a column.

    Raises:
        ValueError: two columns would have the same name.
    """
    values = [
        f'{name}.{symbol}[{k}]'
        for name, sizes in agents.items()
        for symbol, size in zip('xu', sizes, strict=True)
        for k in range(size)
    ]
    columns = ['step', 'cost', *metrics, 'rounds', 'fault', *(f'cost.{name}' for name in agents), *values]
    if double := [name for name, count in Counter(columns).items() if count > 1]:
        raise ValueError(f'{STEPS} would have two columns {double[0]!r}: give the metric of the method another name')
    return columns


def read_rows(file: Path, header: Sequence[str], parse: Callable[[list[str]], list[Any]]) -> Iterator[list[Any]]:
    """Complete lines below the header. A line without its end is dropped even if it parses: digits may be missing.

    Args:
        file: to be read.
        header: required header.
        parse: converts the texts of a row to values; raises ValueError for a damaged line.

    Raises:
        RunDirectoryError: the file cannot be read, its header differs, or a line of it is damaged.
    """
    try:
        data = file.read_bytes()
        text = data[: data.rfind(b'\n') + 1].decode('utf-8')
    except OSError as error:
        raise RunDirectoryError(f'cannot read {file}: {error.strerror}') from None
    except UnicodeDecodeError as error:
        raise RunDirectoryError(f'{file} is damaged: {error}') from None
    lines = text.split('\n')[:-1]
    if lines and next(csv.reader(lines[:1])) != list(header):
        raise RunDirectoryError(f'{file} does not have the columns that {CONFIGURATION} declares')
    reader = csv.reader(lines[1:])
    try:
        for row in reader:
            if len(row) != len(header):
                raise ValueError(f'{len(row)} columns instead of {len(header)}')
            yield parse(row)
    except (csv.Error, ValueError) as error:
        raise RunDirectoryError(f'{file}, line {reader.line_num + 1} is damaged: {error}') from None
