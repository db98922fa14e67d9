# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Record of the carts, row by row, in a CSV file while they move."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """One instant; vectors have one element for each cart.

    Args:
        time: on the clock [s].
        since_reset: time since the last reset [s].
        positions: displacements [m].
        velocities: [m/s].
        forces: of the motors [N].
        commands: last commands of the motors [N].
        largest: magnitudes of the largest commands ever received [N].
        gusts: disturbing forces [N].
    """

    time: float
    since_reset: float
    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray
    commands: np.ndarray
    largest: np.ndarray
    gusts: np.ndarray


_VECTORS = ('position', 'velocity', 'force', 'command', 'largest_command', 'gust')


class Record:
    """Rows, kept for the film strip and written to a file if there is one.

    Args:
        names: of the carts.
        path: of the CSV file, or None.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, names: Sequence[str], path: Path | None):
        self.rows: list[Row] = []
        self._file = path.open('w', newline='', encoding='utf-8') if path else None
        if self._file:
            self._writer = csv.writer(self._file)
            columns = [f'{vector}_{name}' for vector in _VECTORS for name in names]
            self._writer.writerow(['time', 'since_reset', *columns])

    def add(self, row: Row) -> None:
        """Keep and write a row; all numbers of the file read back as they were."""
        self.rows.append(row)
        if self._file:
            self._writer.writerow([row.time, row.since_reset, *np.concatenate(row[2:]).tolist()])

    def close(self) -> None:
        """Complete the file."""
        if self._file:
            self._file.close()


def read_rows(path: Path) -> list[Row]:
    """The rows of a file that a Record has written.

    Raises:
        OSError, ValueError: it cannot be read, or is no such file.
    """
    with path.open(newline='', encoding='utf-8') as file:
        rows = np.array([[float(text) for text in row] for row in list(csv.reader(file))[1:]], ndmin=2)
    if rows.size == 0 or (rows.shape[1] - 2) % len(_VECTORS):
        raise ValueError(f'{path} has no rows of a record')
    return [Row(row[0], row[1], *np.split(row[2:], len(_VECTORS))) for row in rows]
