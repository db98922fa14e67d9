# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Figures of a run, for the screen and for print: 3.5 inches wide (one column) or 7.16 (two), letters of 8 points.

Every function makes one figure without global state or a display. The colours are those of Okabe and Ito, which
colour-blind readers can distinguish.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dmpcrl_ros.recording.metric_text import magnitude
from dmpcrl_ros.recording.plot_style import (
    COLOURS,
    DASHES,
    FAINT,
    ONE_COLUMN,
    TWO_COLUMNS,
    agent_colours,
    agent_handles,
    draw_bounds,
    legend_on_top,
    legend_under_title,
    line_or_band,
    moving_average,
    name_outer,
    new_figure,
    parameter_panels,
    positive,
    save,
    slice_kind,
    slice_title,
    styled,
    x_axis,
)
from dmpcrl_ros.recording.recorded_run import Run, recorded_arrays
from dmpcrl_ros.simulation.closed_loop import Step

_AGENTS_ABREAST = 4  # with columns of their own
_AGENTS_TO_DRAW = 10  # of which save_all draws the parameters one by one
_LABELS = 16  # lines of a panel that fit into a legend


@styled
def states_and_inputs(run: Run) -> Figure:
    """States and inputs over the control steps with their bounds, a row for each component, a column for each agent.

    More than four agents share one column and differ by colour. For a long run the figure shows the mean (line) and,
    with one column for each agent, the range (band) over short stretches of steps.
    """
    components = [
        (kind, k)
        for kind, parts in (('x', run.state_parts), ('u', run.input_parts))
        for k in range(max(part.stop - part.start for part in parts))
    ]
    every, colours = range(len(run.agents)), agent_colours(len(run.agents))
    groups = [[i] for i in every] if len(run.agents) <= _AGENTS_ABREAST else [list(every)]
    figure = new_figure(TWO_COLUMNS, 0.5 + 1.2 * len(components))
    grid = figure.subplots(len(components), len(groups), sharex=True, sharey='row', squeeze=False)
    for column, group in zip(grid.T, groups, strict=True):
        for panel, (kind, k) in zip(column, components, strict=True):
            values, parts, bounds = (
                (run.states, run.state_parts, run.state_bounds)
                if kind == 'x'
                else (run.actions, run.input_parts, run.input_bounds)
            )
            entries = [(i, parts[i].start + k) for i in group if parts[i].start + k < parts[i].stop]
            for i, entry in entries:
                line_or_band(panel, run.steps, values[:, entry], colours[i], band=len(group) == 1)
            draw_bounds(panel, {bound[entry] for bound in bounds for _, entry in entries})
            panel.set_ylabel(f'{"state" if kind == "x" else "input"} {kind}[{k}] (-)')
            panel.set_visible(bool(entries))
        if len(group) == 1:
            column[0].set_title(run.agents[group[0]])
    if len(groups) < len(every):
        legend_on_top(figure, *agent_handles(run.agents, colours))
    name_outer(grid, 'control step (-)')
    return figure


@styled
def learning_curves(run: Run, window: int = 100, baseline: Run | Sequence[Step] | None = None) -> Figure:
    """Metrics of ended transitions (absolute values) and stage cost of the network, a panel for each.

    A faint line shows every step, and a line above it the average over the last `window` steps.

    Args:
        run: to be drawn.
        window: number of steps.
        baseline: the untrained controller on the same noise, whose cost is drawn, too.
    """
    curves = [
        (np.abs(run.metrics[metric.name]), f'{magnitude(metric)} ({metric.unit or "-"})')
        for metric in run.declared_metrics
        if metric.of_transition
    ]
    curves.append((run.costs.sum(axis=1), 'network stage cost (-)'))
    figure = new_figure(ONE_COLUMN, 0.5 + 1.7 * len(curves))
    panels = figure.subplots(len(curves), sharex=True, squeeze=False)[:, 0]
    for panel, (values, name) in zip(panels, curves, strict=True):
        _learning_curve(panel, run, values, window)
        panel.set_ylabel(name)
    costs = panels[-1]
    if baseline is not None:
        steps, _, untrained = recorded_arrays(baseline)
        costs.plot(
            steps,
            positive(moving_average(untrained.sum(axis=1), window)),
            color=COLOURS[1],
            linewidth=1.3,
            linestyle='--',
            label='untrained, same noise',
        )
    x_axis(costs, 'control step (-)')
    handles, labels = costs.get_legend_handles_labels()
    legend_on_top(figure, handles, labels, columns=2)
    return figure


def _learning_curve(panel: Axes, run: Run, values: np.ndarray, window: int) -> None:
    explored = run.metrics.get('explored', np.zeros(len(run.steps))) > 0
    faint = min(0.6, max(0.15, 1200 / max(len(run.steps), 1)))  # a long run has more points on the same paper
    for chosen, colour, label in ((~explored, FAINT, 'step'), (explored, COLOURS[4], 'explored step')):
        if chosen.any():
            panel.plot(
                run.steps[chosen],
                positive(values[chosen]),
                '.',
                color=colour,
                markersize=2.2,
                alpha=faint,
                markeredgewidth=0,
            )
            panel.plot([], [], '.', color=colour, markersize=6, label=label)
    panel.plot(
        run.steps,
        positive(moving_average(values, window)),
        color=COLOURS[0],
        linewidth=1.3,
        label=f'mean of {window} steps',
    )
    panel.set_yscale('log')
    if (seen := values[values > 0]).size:
        panel.set_ylim(bottom=np.quantile(seen, 0.01) / 2)  # a TD error that happens to be near zero has no meaning


@styled
def parameters(run: Run, agent: str | None = None) -> Figure:
    """Change of the learnable parameters over the updates, one panel for each named slice of theta.

    Args:
        run: to be drawn.
        agent: name of one agent: its elements differ by colour and, if they are few, are named with their initial
            values. None for all agents, which differ by colour, their elements by the dashes.
    """
    return _parameters_of_all(run) if agent is None else _parameters_of_one(run, agent)


def _parameters_of_one(run: Run, agent: str) -> Figure:
    history, layout = run.parameters[agent], run.layout(agent)
    given = ' given in the legend' if min(layout.sizes) <= _LABELS else ''
    figure, panels = parameter_panels(layout.names, 1.9, f'change from the initial value{given} (-)')
    for name, part in layout.slices.items():
        panel, theta = panels[name], history.theta[:, part]
        for k, label in enumerate(history.labels[part]):
            initial = f': {theta[0, k]:.3g}' if len(theta) else ''
            panel.plot(
                history.updates,
                theta[:, k] - theta[:1, k],
                label=(label.removeprefix(name) or name) + initial,
                color=COLOURS[k % len(COLOURS)],
                linestyle=DASHES[k // len(COLOURS) % len(DASHES)],
            )
        title, count = slice_title(name, run.agents), theta.shape[1]
        if count <= _LABELS:
            legend_under_title(panel, title, count)
        else:
            panel.set_title(f'{title}: {count} elements', loc='left')
    return figure


def _parameters_of_all(run: Run) -> Figure:
    """Draw the coupling A_j of all parents j in one panel: large networks have many of them."""
    kinds = list(dict.fromkeys(slice_kind(name) for agent in run.agents for name in run.layout(agent).names))
    figure, panels = parameter_panels(kinds, 1.5, 'change from the initial value (-)')
    colours = agent_colours(len(run.agents))
    most = 1
    for agent, colour in zip(run.agents, colours, strict=True):
        history = run.parameters[agent]
        for name, part in run.layout(agent).slices.items():
            change = history.theta[:, part] - history.theta[:1, part]
            most = max(most, change.shape[1])
            for k in range(change.shape[1]):
                panels[slice_kind(name)].plot(
                    history.updates, change[:, k], color=colour, linestyle=DASHES[k % len(DASHES)]
                )
    for kind, panel in panels.items():
        panel.set_title(kind, loc='left')
    handles, labels = agent_handles(run.agents, colours)
    elements = range(min(most, len(DASHES)))
    handles += [Line2D([], [], color=FAINT, linestyle=DASHES[k]) for k in elements]
    labels += [f'element {k + 1}' for k in elements]
    legend_on_top(figure, handles, labels)
    return figure


@styled
def dual_error(errors: Mapping[str, np.ndarray]) -> Figure:
    """Distance of the local multipliers from the centralised ones over the iterations of ADMM (paper 001, Fig. 1).

    Args:
        errors: by the name of each line, its errors after iterations 1, 2, ...
    """
    figure = new_figure(ONE_COLUMN, 2.5)
    panel = figure.subplots()
    for k, (label, values) in enumerate(errors.items()):
        panel.plot(
            np.arange(1, len(values) + 1),
            positive(np.asarray(values, dtype=float)),
            label=label,
            color=COLOURS[k % len(COLOURS)],
            linestyle=DASHES[k // len(COLOURS) % len(DASHES)],
        )
    panel.set(yscale='log', ylabel='error of the multipliers (-)')
    x_axis(panel, 'ADMM iteration (-)')
    if errors:
        legend_on_top(figure, *panel.get_legend_handles_labels(), columns=min(3, len(errors)))
    return figure


def save_all(run: Run, directory: str | Path, baseline: Run | Sequence[Step] | None = None) -> list[Path]:
    """Write the figures of a run as PNG, 150 dots per inch, and return their paths.

    Raises:
        OSError: the files cannot be written.
    """
    figures = {'states_and_inputs': states_and_inputs(run), 'learning_curves': learning_curves(run, baseline=baseline)}
    named = [agent for agent in run.agents if run.layout(agent).size]
    if any(len(run.parameters[agent].updates) > 1 for agent in named):
        figures['parameters'] = parameters(run)
        figures |= {f'parameters_{name}': parameters(run, name) for name in named[:_AGENTS_TO_DRAW]}
    return save(figures, directory)
