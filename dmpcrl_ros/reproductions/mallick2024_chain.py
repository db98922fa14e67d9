# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Paper 001, section 6.1: learning on the chain, distributed and centralised, beside MPC without learning."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dmpcrl_ros.experiments.evaluation import Candidate, Scores, confidence_interval
from dmpcrl_ros.experiments.suite import Job
from dmpcrl_ros.recording.plot_style import (
    COLOURS,
    ONE_COLUMN,
    legend_on_top,
    new_figure,
    parameter_panels,
    slice_title,
    styled,
)
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.recorded_run import Run
from dmpcrl_ros.settings.run import Settings

SETTINGS = Settings(coordination='admm', learning__order='first', learning__guard=False)  # as published
TRAINED = ('distributed', 'centralised')
SECOND_ORDER = 'second-order'  # distributed, as in paper 000, for comparison
ROBUST = 'robust'  # the default of this package, coordinated by reactions
EVALUATED_STEPS = 100
FIRST_EVALUATION_SEED = 1001
# Released data, one noise sequence: cost of 100 steps, and steps with the first state of an agent below zero.
PUBLISHED = {
    'learned-0': (312.4, 62),
    'learned-500': (22.2, 10),
    'learned-10000': (10.1, 2),
    'nominal': (360.2, 73),
    'nominal-exact': (786.8, 92),
    'scenario': (24.0, 0),
    'scenario-exact': (7.67, 0),
}


def training(seed: int, steps: int) -> list[Job]:
    """Jobs of the agents, their twin, and agents with second-order and with robust learning, on the same noise."""
    settings = SETTINGS.but(seed=seed, steps=steps)
    return [
        *(Job(name, settings, central=name == 'centralised') for name in TRAINED),
        Job(SECOND_ORDER, settings.but(learning__order='second')),
        Job(ROBUST, Settings(seed=seed, steps=steps)),
    ]


def candidates(folder: Path, updates: int) -> list[Candidate]:
    """Candidates of figure 5: the policy before, during and after training, and MPC without learning.

    Args:
        folder: of the training runs.
        updates: number of updates of the training.
    """
    learned = [
        Candidate(f'learned-{count}', policy=Policy(folder / 'distributed', count))
        for count in dict.fromkeys((0, min(500, updates), updates))
    ]
    return [
        *learned,
        Candidate(SECOND_ORDER, policy=Policy(folder / SECOND_ORDER)),
        Candidate(ROBUST, {'coordination': Settings().of_method.coordination}, policy=Policy(folder / ROBUST)),
        Candidate('nominal', {'method': 'nominal_mpc'}),
        Candidate('nominal-exact', {'method': 'nominal_mpc', 'model': 'exact'}),
        Candidate('scenario', {'method': 'scenario_mpc'}, central=True),
        Candidate('scenario-exact', {'method': 'scenario_mpc', 'model': 'exact'}, central=True),
    ]


def with_published(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a score table beside the published numbers."""
    return [
        row
        | {
            'published cost': PUBLISHED.get(row['controller'], (np.nan, np.nan))[0],
            'published out': float(PUBLISHED.get(row['controller'], (np.nan, np.nan))[1]),
        }
        for row in rows
    ]


@styled
def parameters_of_both(runs: Mapping[str, Run], agent: str) -> Figure:
    """Figure 4: learnable parameters of one agent over the updates, distributed and centralised."""
    first = next(iter(runs.values()))
    layout = first.layout(agent)
    figure, panels = parameter_panels(layout.names, 1.5, 'parameter (-)')
    handles = {}
    for (name, run), colour in zip(runs.items(), COLOURS, strict=False):
        history = run.parameters[agent]
        for part, place in layout.slices.items():
            handles[name] = panels[part].plot(history.updates, history.theta[:, place], color=colour, linewidth=0.8)[0]
    for part, panel in panels.items():
        panel.set_title(slice_title(part, first.agents), loc='left')
    legend_on_top(figure, list(handles.values()), list(handles))
    return figure


@styled
def costs_of_all(scores: Mapping[str, Scores]) -> Figure:
    """Figure 5: mean cost of each controller with its 95 % confidence interval, beside the published cost."""
    figure = new_figure(ONE_COLUMN, 2.6)
    panel = figure.subplots()
    shown = [name for name, found in scores.items() if np.isfinite(found.costs).all()]
    for place, name in enumerate(shown):
        mean, bounds = scores[name].costs.mean(), confidence_interval(scores[name].costs)
        panel.bar(place, mean, color=COLOURS[0 if name.startswith(('learned', SECOND_ORDER, ROBUST)) else 1], width=0.6)
        panel.plot([place, place], bounds, color='black', linewidth=1.0)
        if name in PUBLISHED:
            panel.plot(place, PUBLISHED[name][0], 'D', color=COLOURS[2], markersize=3.5)
    panel.plot([], [], 'D', color=COLOURS[2], markersize=3.5, label='published, one sequence')
    panel.set(yscale='log', ylabel=f'cost of {next(iter(scores.values())).steps} steps (-)')
    panel.set_xticks(range(len(shown)), shown, rotation=40, ha='right')
    legend_on_top(figure, *panel.get_legend_handles_labels())
    return figure
