# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Learning curves of several runs, and their figures in both papers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from dmpcrl_ros.recording.plot_style import (
    COLOURS,
    DASHES,
    TWO_COLUMNS,
    agent_colours,
    agent_handles,
    draw_bounds,
    legend_on_top,
    line_or_band,
    moving_average,
    name_outer,
    new_figure,
    positive,
    styled,
    x_axis,
)
from dmpcrl_ros.recording.recorded_run import Run
from dmpcrl_ros.recording.summary import violations

WINDOW = 100  # steps of the moving average
_BAND = (32.0, 68.0)  # percentiles over the seeds


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """Curves of one learner, over S seeds and T steps.

    Args:
        costs: stage cost of the network (S, T).
        td_errors: absolute values (S, T).
        violated: (S, T), bool.
    """

    costs: np.ndarray
    td_errors: np.ndarray
    violated: np.ndarray

    @staticmethod
    def of(runs: Sequence[Run], steps: int) -> 'LearningCurves':
        """Compute the curves of some runs; costs are infinite after a plant has diverged."""

        def padded(values: np.ndarray, lost: float) -> np.ndarray:
            return np.concatenate([values, np.full(steps - len(values), lost)])

        return LearningCurves(
            costs=np.array([padded(run.costs.sum(axis=1), np.inf) for run in runs]),
            td_errors=np.array([padded(np.abs(run.metrics['td_error']), np.inf) for run in runs]),
            violated=np.array([padded(violations(run, run.states), 1.0) for run in runs], dtype=bool),
        )

    def smooth(self, name: str) -> np.ndarray:
        """Moving average (S, T) of costs or td_errors; infinite after a plant has diverged."""
        values = getattr(self, name)
        lost = np.isinf(values)
        smooth = np.array([moving_average(each, WINDOW) for each in np.where(lost, np.nan, values)])
        return np.where(lost, np.inf, smooth)


@styled
def learning_curves(curves: Mapping[str, LearningCurves]) -> Figure:
    """Absolute TD error and stage cost, median over the seeds and band of the 32nd to 68th percentile."""
    figure = new_figure(TWO_COLUMNS, 2.8)
    panels = figure.subplots(1, 2)
    for panel, key, label in zip(
        panels, ('td_errors', 'costs'), ('|TD error| (-)', 'network stage cost (-)'), strict=True
    ):
        for k, (name, found) in enumerate(curves.items()):
            smooth, colour = found.smooth(key), COLOURS[k % len(COLOURS)]
            steps = np.arange(1, smooth.shape[1] + 1)
            low, high = np.nanpercentile(
                smooth, _BAND, axis=0, method='nearest'
            )  # infinite values cannot be interpolated
            panel.fill_between(steps, positive(low), positive(high), color=colour, alpha=0.2, linewidth=0)
            panel.plot(
                steps,
                positive(np.nanmedian(smooth, axis=0)),
                color=colour,
                label=name,
                linestyle=DASHES[k % len(DASHES)],
                linewidth=1.3,
            )
        panel.set(yscale='log', ylabel=label)
        x_axis(panel, 'control step (-)')
    legend_on_top(figure, *panels[0].get_legend_handles_labels())
    return figure


@styled
def states_and_inputs(runs: Mapping[str, Run]) -> Figure:
    """States and inputs of all agents over the steps, a column for each run.

    Lines are means over stretches of steps, bands their ranges; bounds are dashed.
    """
    first = next(iter(runs.values()))
    colours = agent_colours(len(first.agents))
    figure = new_figure(TWO_COLUMNS, 4.2)
    grid = figure.subplots(3, len(runs), sharex=True, sharey='row', squeeze=False)
    for column, (name, run) in zip(grid.T, runs.items(), strict=True):
        column[0].set_title(name)
        rows = (
            (run.states, run.state_parts, run.state_bounds, 0, 'state x[0] (-)'),
            (run.states, run.state_parts, run.state_bounds, 1, 'state x[1] (-)'),
            (run.actions, run.input_parts, run.input_bounds, 0, 'input u (-)'),
        )
        for panel, (values, parts, bounds, k, label) in zip(column, rows, strict=True):
            for part, colour in zip(parts, colours, strict=True):
                line_or_band(panel, run.steps, values[:, part.start + k], colour, band=True)
            draw_bounds(panel, {bound[parts[0].start + k] for bound in bounds})
            panel.set_ylabel(label)
    legend_on_top(figure, *agent_handles(first.agents, colours))
    name_outer(grid, 'control step (-)')
    return figure
