# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Style of the figures of a run: sizes, colours and common parts."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

Arguments = ParamSpec('Arguments')

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.16  # inches
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
DASHES: tuple[Literal['-', '--', '-.', ':'], ...] = ('-', '--', '-.', ':')
FAINT = '#999999'
_STYLE: Any = {  # its type differs between versions of matplotlib
    'font.size': 8,
    'axes.labelsize': 8,
    'axes.titlesize': 8,
    'xtick.labelsize': 8,
    'ytick.labelsize': 8,
    'legend.fontsize': 8,
    'legend.frameon': False,
    'legend.handlelength': 1.6,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.linewidth': 0.6,
    'lines.linewidth': 1.0,
    'axes.grid': True,
    'grid.color': '#E5E5E5',
    'grid.linewidth': 0.5,
    'axes.axisbelow': True,
}
_OF_PARENTS = {'A': 'state of', 'P': 'line to'}  # kinds of slices with one for each parent
_BINS = 120  # number of stretches of a long run for which mean and range are drawn


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Decorate a function so that it draws with the style above."""

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """Mean (T,) of the last `window` values (T,), fewer at the beginning, without NaN; NaN if all of them are."""
    present = ~np.isnan(values)
    sums, counts = (np.concatenate([[0.0], np.cumsum(part)]) for part in (np.where(present, values, 0.0), present))
    end = np.arange(1, len(values) + 1)
    start = np.maximum(end - window, 0)
    count = counts[end] - counts[start]
    return np.divide(sums[end] - sums[start], count, out=np.full(len(values), np.nan), where=count > 0)


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of this width and height in inches, without a window or global state."""
    figure = Figure(figsize=(width, height), layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save(figures: Mapping[str, Figure], directory: str | Path) -> list[Path]:
    """Write figures as PNG files by their names into a directory.

    Raises:
        OSError: they cannot be written.
    """
    paths = [Path(directory) / f'{name}.png' for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        figure.savefig(path, dpi=150)
    return paths


def parameter_panels(names: Sequence[str], height: float, y_name: str) -> tuple[Figure, dict[str, Axes]]:
    """One panel for each name, three in a row, each `height` inches high."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(TWO_COLUMNS, 0.4 + height * rows)
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for place, panel in enumerate(grid.flat):
        panel.set_visible(place < len(names))
        panel.yaxis.set_major_formatter(lambda value, _: f'{value:.4g}')  # no common factor: it would cover a legend
        panel.yaxis.set_major_locator(MaxNLocator(5))
    name_outer(grid, '')
    figure.supxlabel('update (-)', fontsize=8)
    figure.supylabel(fill(y_name, 30) if rows == 1 else y_name, fontsize=8)  # a long name is higher than one row
    return figure, dict(zip(names, grid.flat, strict=False))


def line_or_band(panel: Axes, steps: np.ndarray, values: np.ndarray, colour: str, band: bool) -> None:
    """Values (T,) over steps (T,): a line or, for a long run, the means and the band of the ranges of stretches."""
    size = max(1, len(values) // _BINS)
    starts = np.arange(0, len(values), size)
    if size > 1 and band:
        panel.fill_between(
            steps[starts],
            np.minimum.reduceat(values, starts),
            np.maximum.reduceat(values, starts),
            color=colour,
            alpha=0.25,
            linewidth=0,
        )
    if size > 1:
        values = np.add.reduceat(values, starts) / np.diff([*starts, len(values)])
    panel.plot(steps[starts], values, color=colour)


def draw_bounds(panel: Axes, values: set[float]) -> None:
    """Dashed lines at the finite bounds."""
    for value in values:
        if np.isfinite(value):
            panel.axhline(value, color='black', linestyle='--', linewidth=0.8, zorder=1)


def positive(values: np.ndarray) -> np.ndarray:
    """Values with NaN in place of those that a logarithmic axis cannot show."""
    return np.where(values > 0, values, np.nan)


def agent_colours(count: int) -> list[Any]:
    """A colour for each agent; for more agents than colours, a scale along the network."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    return [tuple(colour) for colour in matplotlib.colormaps['viridis'](np.linspace(0.0, 0.9, count))]


def agent_handles(agents: Sequence[str], colours: Sequence[Any]) -> tuple[list[Line2D], list[str]]:
    """Legend entries of all agents; of many agents, of the first, the middle and the last of the colour scale."""
    shown = range(len(agents)) if len(agents) <= len(COLOURS) else (0, len(agents) // 2, len(agents) - 1)
    return [Line2D([], [], color=colours[i]) for i in shown], [agents[i] for i in shown]


def legend_on_top(figure: Figure, handles: list[Any], labels: list[str], columns: int = 7, **look: Any) -> None:
    """Legend above all panels, in the place of a blank title: matplotlib 3.6 has no legends outside of panels."""
    lines = -(-len(labels) // columns)
    figure.suptitle('\n'.join([' '] * lines), fontsize=9)
    figure.legend(
        handles,
        labels,
        loc='upper center',
        ncols=columns,
        columnspacing=1.4,
        labelspacing=0.3,
        borderaxespad=0.2,
        **look,
    )


def legend_under_title(panel: Axes, title: str, labels: int) -> None:
    """Legend of a panel between its title and itself; only its height takes part in the layout."""
    legend = panel.legend(
        loc='lower left',
        bbox_to_anchor=(0.0, 1.0),
        ncols=2,
        borderaxespad=0.1,
        borderpad=0.2,
        columnspacing=1.0,
        labelspacing=0.2,
        handlelength=1.0,
        handletextpad=0.4,
    )
    legend.set_in_layout(False)
    panel.set_title(title, loc='left', pad=5 + 10 * -(-labels // 2))


def x_axis(panel: Axes, name: str) -> None:
    """Name of the x axis, and whole numbers on it."""
    panel.set_xlabel(name)
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panel.margins(x=0.01)


def name_outer(grid: np.ndarray, x_name: str) -> None:
    """Keep names and numbers only at the outer panels: the lowest of a column, the first of a row."""
    for column in grid.T:
        shown = [panel for panel in column if panel.get_visible()]
        for panel in shown:
            x_axis(panel, x_name if panel is shown[-1] else '')
            panel.tick_params(labelbottom=panel is shown[-1])
    for row in grid:
        first, *others = [panel for panel in row if panel.get_visible()]
        first.tick_params(labelleft=True)
        for panel in others:
            panel.set_ylabel('')


def slice_kind(name: str) -> str:
    """Name of a slice, common to the coupling A_j or the coefficient P_j with all parents."""
    kind, _, index = name.partition('_')
    return f'{kind}_j' if kind in _OF_PARENTS and index.isdigit() else name


def slice_title(name: str, agents: Sequence[str]) -> str:
    """Name of a slice; that of a coupling includes the name of the parent."""
    kind, _, index = name.partition('_')
    return f'{name} ({_OF_PARENTS[kind]} {agents[int(index)]})' if slice_kind(name) != name else name
