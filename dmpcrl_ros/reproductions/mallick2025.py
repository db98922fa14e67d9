# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Paper 000, section 5: second-order distributed Q-learning beside its centralised twin and the first order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmpcrl_ros.experiments.learning_curves import LearningCurves
from dmpcrl_ros.experiments.suite import Job
from dmpcrl_ros.settings.run import Settings

CHECKPOINTS = (100, 500, 1000, 2000)
LAST = 500  # steps of the means in the last columns
_SECOND_ORDER = {'learning__order': 'second'}
_WITHOUT_SAFEGUARDS = {'learning__curvature': 'keep', 'learning__step_limit': None, 'learning__bound_parameters': False}


@dataclass(frozen=True)
class Variant:
    """A variant of learning to be compared.

    Args:
        settings: changes of the common settings, as for Settings.but.
        central: whether the learner is centralised.
    """

    settings: Mapping[str, Any]
    central: bool = False


VARIANTS = {
    'D-SO': Variant(_SECOND_ORDER),
    'C-SO': Variant(_SECOND_ORDER, central=True),
    'D-FO': Variant({'learning__order': 'first'}),
    'C-FO': Variant({'learning__order': 'first'}, central=True),
    'D-SO-published': Variant({**_SECOND_ORDER, **_WITHOUT_SAFEGUARDS}),
    'D-SO-released': Variant({'learning__order': 'second-as-released', **_WITHOUT_SAFEGUARDS}),
    'D-SO-residual-stop': Variant({**_SECOND_ORDER, 'admm__tolerance': 1e-3}),
    'D-SO-cold-start': Variant({**_SECOND_ORDER, 'admm__warm_start': False}),
}
PUBLISHED_VARIANTS = ('D-SO', 'C-SO', 'D-FO')
_COMMON = Settings(chain__variant='mallick2025', coordination='admm', learning__guard=False)  # as published
# Released data: median stage cost and median |TD error| of the last 500 steps.
PUBLISHED = {'D-SO': (0.072, 0.052), 'C-SO': (0.076, 0.030), 'D-FO': (4.54, 7.06)}


def jobs(variants: Sequence[str], seeds: Sequence[int], steps: int) -> list[Job]:
    """One run for each variant and seed, the slow ones first. All variants have the same noise for one seed."""
    ordered = sorted(variants, key=lambda name: VARIANTS[name].central)
    return [
        Job(
            f'{name}-seed-{seed}',
            _COMMON.but(seed=seed, steps=steps, **VARIANTS[name].settings),
            VARIANTS[name].central,
        )
        for name in ordered
        for seed in seeds
    ]


def learning_table(curves: Mapping[str, LearningCurves]) -> list[dict[str, Any]]:
    """Medians over the seeds, by variant, of the moving averages of cost and absolute TD error at the checkpoints."""
    rows = []
    for name, found in curves.items():
        row: dict[str, Any] = {'variant': name}
        for symbol, key in (('cost', 'costs'), ('|TD|', 'td_errors')):
            smooth = found.smooth(key)
            reached = [at for at in CHECKPOINTS if at <= smooth.shape[1]]
            row |= {f'{symbol} {at}': float(np.nanmedian(smooth[:, at - 1])) for at in reached}
        rows.append(row)
    return rows


def final_table(curves: Mapping[str, LearningCurves]) -> list[dict[str, Any]]:
    """Table of each variant over the last 500 steps of all seeds.

    It has the mean cost, the share of steps with a state out of bounds, and the medians beside those of the release.
    """
    rows = []
    for name, found in curves.items():
        last = slice(-min(LAST, found.costs.shape[1]), None)
        published = PUBLISHED.get(name, (np.nan, np.nan))
        rows.append(
            {
                'variant': name,
                'mean cost': float(found.costs[:, last].mean()),
                'out of bounds': float(found.violated[:, last].mean()),
                'median cost': float(np.median(found.costs[:, last])),
                'published cost': published[0],
                'median |TD|': float(np.nanmedian(found.td_errors[:, last])),
                'published |TD|': published[1],
            }
        )
    return rows
