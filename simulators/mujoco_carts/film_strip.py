# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Film strips of the carts: pictures of some instants, from top to bottom, of one run or of several side by side.

python simulators/mujoco_carts/film_strip.py before=1.csv after=2.csv --output strip.png
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from carts import Carts
from record import Row, read_rows


def draw_film_strip(
    runs: Mapping[str, Sequence[Row]], names: Sequence[str], rest: Sequence[float], path: Path, frames: int = 8
) -> None:
    """Write a picture of the carts on their rail, with springs, bounds and forces.

    Args:
        runs: rows of each run, at least one, by title; instants are chosen from the shortest.
        names: of the carts.
        rest: rest position of each cart [m].
        path: of the PNG file.
        frames: number of instants.
    """
    from matplotlib.figure import Figure

    shortest = min(map(len, runs.values()))
    chosen = np.unique(np.linspace(0, shortest - 1, frames).astype(int))
    figure = Figure(figsize=(8.0 if len(runs) == 1 else 6.5 * len(runs), 0.9 * len(chosen) + 0.8), layout='constrained')
    grid = figure.subplots(len(chosen), len(runs), sharex=True, squeeze=False)
    for column, (title, rows) in zip(grid.T, runs.items(), strict=True):
        column[0].set_title(title)
        for axes, instant in zip(column, chosen, strict=True):
            _draw_frame(axes, rows[instant], np.asarray(rest))
            axes.tick_params(bottom=instant == chosen[-1])
        column[-1].set_xlabel(
            f'{", ".join(names)}: place on the rail [m]; boxes: displacement [cm], red below 0\n'
            'dashed: displacement 0; blue: motor, red: gust'
        )
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
        axes.quiver(
            places,
            np.full(len(places), height),
            metres_per_newton * forces,
            np.zeros(len(places)),
            angles='xy',
            scale_units='xy',
            scale=1.0,
            color=colour,
            width=0.004,
            zorder=4,
        )
    for place, position in zip(places, row.positions, strict=True):
        axes.text(
            place,
            0.1,
            f'{100.0 * position:+.1f}',
            ha='center',
            va='center',
            fontsize='x-small',
            zorder=5,
            color='C3' if position < 0.0 else 'black',
        )
    axes.set(xlim=walls, ylim=(-0.05, 0.55), yticks=[])
    axes.set_ylabel(f'{row.since_reset:.1f} s', rotation=0, ha='right', va='center')
    axes.spines[['top', 'right', 'left']].set_visible(False)


def main() -> int:
    """Draw a film strip of the logs of the simulator."""
    parser = argparse.ArgumentParser(prog='film_strip', description=__doc__.splitlines()[0])
    parser.add_argument('logs', nargs='+', metavar='[TITLE=]LOG', help='CSV files of the simulator')
    parser.add_argument('--seconds', type=float, default=float('inf'), help='show only so much of each [all]')
    parser.add_argument('--output', type=Path, required=True, help='PNG file')
    options, carts = parser.parse_args(), Carts(seed=0)
    try:
        runs = {
            title: [row for row in read_rows(Path(log)) if row.since_reset <= options.seconds]
            for title, _, log in (text.rpartition('=') for text in options.logs)
        }
        draw_film_strip(runs, carts.names, carts.rest, options.output)
    except (OSError, ValueError) as error:
        print(f'film_strip: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
