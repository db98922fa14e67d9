# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Paper 001, section 6.2: learning on the power grid in episodes, beside MPC without learning."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure

from dmpcrl_ros.experiments.evaluation import Candidate, Scores
from dmpcrl_ros.experiments.suite import Job
from dmpcrl_ros.recording.plot_style import COLOURS, ONE_COLUMN, TWO_COLUMNS, new_figure, styled, x_axis
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.recorded_run import Run
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.power_grid.grid import PowerGrid

FIRST_EVALUATION_SEED = 2001
# As published.
_SETTINGS = Settings(system='power_grid', coordination='admm', learning__order='first', learning__guard=False)
# Released data, 100 episodes: mean return and violations per episode.
PUBLISHED = {'learned': (274.3, 0.00), 'scenario': (318.0, 3.40), 'nominal': (349.3, 10.22)}


def episode_length() -> int:
    """Control steps of an episode."""
    return _SETTINGS.make_system().episode_length


def training(seed: int, episodes: int) -> Job:
    """Job of the training of all areas."""
    return Job('grid', _SETTINGS.but(seed=seed, steps=episodes * episode_length()))


def candidates(folder: Path) -> list[Candidate]:
    """Candidates of figure 8.

    MPC without learning has the true coefficients and is solved centrally, as released.

    Args:
        folder: of the training run.
    """
    exact = {'model': 'exact'}
    return [
        Candidate('learned', policy=Policy(folder / 'grid')),
        Candidate('untrained'),
        Candidate('nominal', {'method': 'nominal_mpc', **exact}, central=True),
        Candidate('scenario', {'method': 'scenario_mpc', **exact}, central=True),
    ]


def common() -> Settings:
    """Settings of the evaluations: one episode each."""
    return _SETTINGS.but(steps=episode_length())


def with_published(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a score table beside the published numbers."""
    none = (np.nan, np.nan)
    return [
        row
        | {
            'published return': PUBLISHED.get(row['controller'], none)[0],
            'published out': PUBLISHED.get(row['controller'], none)[1],
        }
        for row in rows
    ]


@styled
def learning(run: Run) -> Figure:
    """Figure 6: mean absolute TD error and return of each episode of training."""
    length = episode_length()
    count = len(run.steps) // length
    errors = np.abs(run.metrics['td_error'][: count * length]).reshape(count, length)
    returns = run.costs[: count * length].sum(axis=1).reshape(count, length).sum(axis=1)
    figure = new_figure(ONE_COLUMN, 3.4)
    panels = figure.subplots(2, sharex=True)
    for panel, values, name in zip(
        panels, (np.nanmean(errors, axis=1), returns), ('mean |TD error| (-)', 'return (-)'), strict=True
    ):
        panel.plot(np.arange(1, count + 1), values, color=COLOURS[0])
        panel.set_ylabel(name)
    x_axis(panels[1], 'episode (-)')
    return figure


@styled
def first_and_last_episode(run: Run) -> Figure:
    """Figure 7: angle of the fourth area and flow from the third to it, in the first and the last episode."""
    length, grid = episode_length(), cast(PowerGrid, run.settings.make_system())
    third, fourth = (run.states[:, int(grid.state_parts[i].start)] for i in (2, 3))
    flow = grid.coefficients[2, 3] * (third - fourth)
    figure = new_figure(ONE_COLUMN, 3.4)
    panels = figure.subplots(2, sharex=True)
    for panel, values, name in zip(
        panels, (fourth, flow), ('angle of area 4 (rad)', 'flow from 3 to 4 (p.u.)'), strict=True
    ):
        panel.plot(values[:length], color=COLOURS[1], linestyle='--', label='first episode')
        panel.plot(values[-length:], color=COLOURS[0], label='last episode')
        panel.set_ylabel(name)
    for bound in (grid.local[3].state_lower[0], grid.local[3].state_upper[0]):
        panels[0].axhline(bound, color='black', linestyle=':', linewidth=0.8)
    panels[0].legend()
    x_axis(panels[1], 'control step (-)')
    return figure


@styled
def comparison(scores: Mapping[str, Scores]) -> Figure:
    """Figure 8: box plots of the returns and of the violations per episode; diamonds are the published means."""
    figure = new_figure(TWO_COLUMNS, 2.6)
    names = list(scores)
    for k, (panel, values, label) in enumerate(
        zip(
            figure.subplots(1, 2),
            ([each.costs for each in scores.values()], [each.violated for each in scores.values()]),
            ('return of an episode (-)', 'steps out of bounds (-)'),
            strict=True,
        )
    ):
        panel.boxplot([each[np.isfinite(each)] for each in values], widths=0.5, flierprops={'markersize': 3})
        for place, name in enumerate(names, 1):
            if name in PUBLISHED:
                panel.plot(place, PUBLISHED[name][k], 'D', color=COLOURS[2], markersize=4)
        panel.set_xticks(range(1, len(names) + 1), names)
        panel.set_ylabel(label)
    return figure
