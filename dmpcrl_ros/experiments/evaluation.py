# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Comparison of controllers with fixed parameters on the same noise."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dmpcrl_ros.experiments.suite import Job
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.recorded_run import Run
from dmpcrl_ros.recording.summary import violations
from dmpcrl_ros.settings.run import Settings

_RESAMPLES = 10_000  # of the bootstrap


@dataclass(frozen=True)
class Candidate:
    """A controller to be compared.

    Args:
        name: of the candidate; the names of its runs begin with it.
        settings: changes of the common settings, as for Settings.but.
        central: whether it is the centralised twin.
        policy: its parameters; None for the initial ones.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    central: bool = False
    policy: Policy | None = None

    def job(self, common: Settings, seed: int) -> Job:
        """Run of the candidate on the noise of one seed, without learning."""
        return Job(
            f'{self.name}-seed-{seed}', common.but(**self.settings, learn=False, seed=seed), self.central, self.policy
        )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of a candidate on S noise sequences.

    Args:
        costs: sum of the stage costs of the network, (S,); infinite for a diverged plant.
        violated: number of steps with a state out of bounds, (S,).
        steps: number of steps of each sequence.
    """

    costs: np.ndarray
    violated: np.ndarray
    steps: int

    @staticmethod
    def of(runs: Sequence[Run]) -> 'Scores':
        """Compute the scores of one candidate from its runs."""
        steps = runs[0].settings.steps
        lost = np.array([steps - len(run.steps) for run in runs])
        costs = np.array([run.costs.sum() for run in runs])
        return Scores(
            costs=np.where(lost > 0, np.inf, costs),
            steps=steps,
            violated=np.array([violations(run, run.states).sum() for run in runs]) + lost,
        )


def evaluation_jobs(candidates: Sequence[Candidate], common: Settings, seeds: Sequence[int]) -> list[Job]:
    """Runs of each candidate on the noise of each seed."""
    return [candidate.job(common, seed) for candidate in candidates for seed in seeds]


def scores_of(
    runs: Iterable[tuple[Job, Run]], candidates: Sequence[Candidate], seeds: Sequence[int]
) -> dict[str, Scores]:
    """Scores of the candidates by name, from the runs of their jobs."""
    found = {job.name: run for job, run in runs}
    return {each.name: Scores.of([found[f'{each.name}-seed-{seed}'] for seed in seeds]) for each in candidates}


def confidence_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Bounds of the mean of `values` (S,) by the percentile bootstrap, as a function of the values."""
    draws = np.random.default_rng(0).integers(len(values), size=(_RESAMPLES, len(values)))
    tail = 0.5 * (1.0 - level)
    with np.errstate(invalid='ignore'):  # infinite values cannot be interpolated
        low, high = np.quantile(values[draws].mean(axis=1), (tail, 1.0 - tail))
    return float(low), float(high)


def score_table(scores: Mapping[str, Scores]) -> list[dict[str, Any]]:
    """Table of the costs of each candidate.

    It has the mean cost with its 95 % confidence interval, median and worst cost, and the mean number of steps with a
    state out of bounds.
    """
    rows = []
    for name, found in scores.items():
        low, high = confidence_interval(found.costs)
        rows.append(
            {
                'controller': name,
                'mean cost': float(found.costs.mean()),
                'low': low,
                'high': high,
                'median': float(np.median(found.costs)),
                'worst': float(found.costs.max()),
                'steps out': float(found.violated.mean()),
            }
        )
    return rows
