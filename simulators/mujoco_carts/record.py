"""What happened to the carts, row by row: a CSV file while it happens, and a film strip at the end."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """One instant; vectors have one element for each cart.

    Args:
        time: on the clock [s]. since_reset: [s]. positions: [m]. velocities: [m/s].
        forces: what the motors exerted [N]. commands: what they were commanded last [N].
        largest: magnitudes of the largest commands ever received [N]. gusts: disturbing forces [N].
    """

    time: float
    since_reset: float
    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray
    commands: np.ndarray
    largest: np.ndarray
    gusts: np.ndarray


class Record:
    """Rows, kept for the film strip and written to a file if there is one.

    Args:
        names: of the carts. path: of the CSV file, or None.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, names: Sequence[str], path: Path | None):
        self.rows: list[Row] = []
        self._file = path.open('w', newline='', encoding='utf-8') if path else None
        if self._file:
            self._writer = csv.writer(self._file)
            vectors = ('position', 'velocity', 'force', 'command', 'largest_command', 'gust')
            columns = [f'{vector}_{name}' for vector in vectors for name in names]
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


def draw_film_strip(rows: Sequence[Row], names: Sequence[str], rest: Sequence[float], path: Path,
                    frames: int = 8) -> None:
    """Write a picture of the carts on their rail, with springs, bounds and forces, at some instants from top to bottom.

    Args:
        rows: what happened; at least one. names: of the carts. rest: where each cart is at rest [m].
        path: of the PNG file. frames: how many instants.
    """
    from matplotlib.figure import Figure

    chosen = [rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, frames).astype(int))]
    figure = Figure(figsize=(8.0, 0.9 * len(chosen) + 0.8), layout='constrained')
    for axes, row in zip(figure.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0], chosen, strict=True):
        _draw_frame(axes, row, np.asarray(rest))
        axes.tick_params(bottom=row is chosen[-1])
    axes.set_xlabel(f'{", ".join(names)}: place on the rail [m]; in the boxes: displacement [cm]\n'
                    'dashed: displacement 0; blue: motor, red: gust')
    figure.savefig(path, dpi=110)


def _draw_frame(axes, row: Row, rest: np.ndarray, metres_per_newton: float = 0.2) -> None:
    places = rest + row.positions
    walls = rest[0] - 1.0, rest[-1] + 1.0
    axes.plot(walls, (0.0, 0.0), color='0.7', linewidth=1.0)
    ends = (walls[0], *places, walls[1])
    for left, right in zip(ends, ends[1:], strict=False):
        zigzag = 0.12 + 0.04 * np.array([0.0, *[1.0, -1.0] * 12, 0.0])
        axes.plot(np.linspace(left, right, len(zigzag)), zigzag, color='0.5', linewidth=0.8)
    axes.vlines(rest, -0.05, 0.5, color='black', linestyles='dashed', linewidth=0.8, zorder=3)
    axes.bar(places, 0.2, width=0.24, color='0.85', edgecolor='0.3', zorder=2)
    for forces, height, colour in ((row.forces, 0.3, 'C0'), (row.gusts, 0.42, 'C3')):
        axes.quiver(places, np.full(len(places), height), metres_per_newton * forces, np.zeros(len(places)),
                    angles='xy', scale_units='xy', scale=1.0, color=colour, width=0.004, zorder=4)
    for place, position in zip(places, row.positions, strict=True):
        axes.text(place, 0.1, f'{100.0 * position:+.1f}', ha='center', va='center', fontsize='x-small', zorder=5)
    axes.set(xlim=walls, ylim=(-0.05, 0.55), yticks=[])
    axes.set_ylabel(f'{row.since_reset:.1f} s', rotation=0, ha='right', va='center')
    axes.spines[['top', 'right', 'left']].set_visible(False)
