# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The figure of costs before, during and after learning."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

_WINDOW = 20  # steps over which the cost of learning is averaged


def draw_costs(
    training: np.ndarray, untrained: Sequence[np.ndarray], learned: Sequence[np.ndarray], period: float, path: Path
) -> None:
    """Write the figure: the stage cost while learning, and the accumulated cost of the evaluations.

    Args:
        training: stage costs of the run that learned.
        untrained: stage costs of the evaluations before learning, one array for each sequence of gusts.
        learned: those after learning.
        period: of a control step [s].
        path: of the PNG file.
    """
    figure = Figure(figsize=(8.0, 2.8), layout='constrained')
    left, right = figure.subplots(1, 2)
    window = min(_WINDOW, len(training))
    smooth = np.convolve(training, np.full(window, 1.0 / window), mode='valid')
    left.plot(period * np.arange(len(training)), training, color='0.8', linewidth=0.6)
    left.plot(period * np.arange(window - 1, len(training)), smooth, color='C0')
    left.set(xlabel='time [s]', ylabel='stage cost', title=f'learning (blue: mean of {period * window:g} s)')
    for runs, colour, name in ((untrained, 'C3', 'untrained'), (learned, 'C2', 'learned')):
        for i, costs in enumerate(runs):
            right.plot(
                period * np.arange(1, len(costs) + 1),
                np.cumsum(costs),
                color=colour,
                linewidth=1.0,
                label=name if i == 0 else None,
            )
    right.set(
        xlabel='time [s]',
        ylabel='accumulated cost',
        title=f'evaluation on {len(untrained)} sequences of gusts' if len(untrained) > 1 else 'evaluation',
        ylim=(0.0, None),
    )
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[['top', 'right']].set_visible(False)
    figure.savefig(path, dpi=110)
