# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Summary of the first and the last part of a run, beside the untrained controller."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich import box
from rich.table import Table

from dmpcrl_ros.recording.metric_text import magnitude
from dmpcrl_ros.recording.recorded_run import Run, recorded_arrays
from dmpcrl_ros.simulation.closed_loop import Step

_REASONS = 3  # number of listed faults
_NUMBER = re.compile(r'\d+(\.\d+)?(e[+-]\d+)?')


@dataclass(frozen=True, kw_only=True)
class PartSummary:
    """Means over some steps of a run; NaN for missing values.

    Args:
        first: first control step of the part.
        last: last control step of the part.
        cost: mean stage cost of the network.
        violated: share, 0 to 1, of the steps with any state of the network out of its bounds.
        metrics: mean absolute value of each metric of ended transitions, by name, over the steps that have one.
        untrained_cost: mean stage cost of the untrained controller in the same steps.
        untrained_violated: share for the untrained controller in the same steps.
    """

    first: int
    last: int
    cost: float
    violated: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    untrained_cost: float = np.nan
    untrained_violated: float = np.nan

    @property
    def ratio(self) -> float:
        """Cost over that of the untrained controller; below one is better."""
        return self.cost / self.untrained_cost if self.untrained_cost else np.nan


def part_length(steps: int, episode_length: int = 0) -> int:
    """Length of a part: a tenth of a run, but 50 to 500 steps, whole episodes, and not more than the run has."""
    length = max(50, min(500, steps // 10))
    if episode_length:
        length = -(-length // episode_length) * episode_length
    return min(length, steps)


def summarise(run: Run, baseline: Run | Sequence[Step] | None = None, part: int | None = None) -> list[PartSummary]:
    """Summaries of the first and the last part of a run; empty for a run without steps.

    Args:
        run: to be summarised.
        baseline: the untrained controller on the same noise: another run, or transitions. It may have ended early.
        part: number of steps of a part; None for that of `part_length`.
    """
    count = len(run.steps)
    length = min(part or part_length(count, run.episode_length), count)
    chosen = [slice(0, length), slice(count - length, count)] if count else []
    return [_summary(run, baseline, steps) for steps in chosen]


def summary_table(run: Run, baseline: Run | Sequence[Step] | None = None, part: int | None = None) -> Table:
    """Table of `summarise` for the terminal."""
    agents = f'{len(run.agents)} agent{"s" if len(run.agents) > 1 else ""}'
    title = f'{run.configuration["system"]}, {agents}, seed {run.configuration["seed"]}'
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    columns = [(heading, cell) for heading, cell, comparing in _COLUMNS if baseline is not None or not comparing]
    columns += [
        (f'\n{magnitude(metric)}', _metric_cell(metric.name))
        for metric in run.declared_metrics
        if metric.column == 'ended' and not (metric.flag and not np.nansum(run.metrics[metric.name]))
    ]
    for heading, _ in columns:
        table.add_column(heading, justify='left' if heading == 'mean over\nsteps' else 'right', no_wrap=True)
    for summary in summarise(run, baseline, part):
        table.add_row(*(cell(summary) for _, cell in columns))
    return table


def fault_lines(run: Run) -> list[str]:
    """Lines with the number of void steps, from which agents could not learn, and with the most frequent faults.

    The last transition of an episode does not count as void: agents never learn from it. Faults that differ only in a
    number, such as an iteration or a residual, count as one; N stands for the number. If learning was held because it
    did harm, the last line gives the first step and the reason. Steps that were not certified are counted, with their
    largest change of the coordination.
    """
    count, void = len(run.steps), int(run.void.sum())
    lines = [f'void steps: {void} of {count}' + (f' ({100 * void / count:.0f} %)' if void else '')]
    reasons: Counter[str] = Counter()
    for fault in filter(None, run.faults):
        reasons.update({_NUMBER.sub('N', reason) for reason in fault.split('; ')})
    lines += [f'  in {n} step{"s" if n > 1 else ""}: {reason}' for reason, n in reasons.most_common(_REASONS)]
    if (rest := len(reasons) - _REASONS) > 0:
        lines.append(f'  and {rest} other fault{"s" if rest > 1 else ""}')
    lines += _not_certified(run)
    held = np.flatnonzero(run.metrics.get('learning_held', np.zeros(0)) > 0.5)
    if held.size:
        first = held[0]
        lines.append(
            f'learning was held in {held.size} steps, the first of them {run.steps[first]}: {run.faults[first]}'
        )
    return lines


def _not_certified(run: Run) -> list[str]:
    """Line about the steps in which the agents did not know that they had the solution of the network, if any."""
    certified, change = (run.metrics.get(name, np.zeros(0)) for name in ('certified', 'coordination_change'))
    missing = certified == 0.0
    if not missing.any():
        return []
    largest = np.nanmax(change[missing], initial=0.0) if change.size else np.nan
    return [
        f'not certified: {missing.sum()} of {len(run.steps)} steps, with changes of up to {largest:.2g} at their end'
    ]


def violations(run: Run, states: np.ndarray) -> np.ndarray:
    """Whether any state of the network is out of the bounds of `run`, (T,), for states (T, n)."""
    lower, upper = run.state_bounds
    return np.any((states < lower) | (states > upper), axis=1)


def _summary(run: Run, baseline: Run | Sequence[Step] | None, part: slice) -> PartSummary:
    steps, untrained = run.steps[part], {}
    if baseline is not None:
        at, states, costs = recorded_arrays(baseline)
        same = np.isin(at, steps)
        if same.sum() == len(steps):
            untrained = {
                'untrained_cost': float(costs[same].sum(axis=1).mean()),
                'untrained_violated': float(violations(run, states[same]).mean()),
            }
    return PartSummary(
        first=int(steps[0]),
        last=int(steps[-1]),
        cost=float(run.costs[part].sum(axis=1).mean()),
        violated=float(violations(run, run.states[part]).mean()),
        metrics={
            metric.name: _mean_magnitude(run.metrics[metric.name][part])
            for metric in run.declared_metrics
            if metric.column == 'ended'
        },
        **untrained,
    )


def _mean_magnitude(values: np.ndarray) -> float:
    evaluated = np.abs(values[~np.isnan(values)])
    return float(evaluated.mean()) if evaluated.size else np.nan


def _number(value: float) -> str:
    return '-' if np.isnan(value) else f'{value:.3g}'


def _metric_cell(name: str) -> Callable[[PartSummary], str]:
    return lambda part: _number(part.metrics[name])


def _percent(share: float) -> str:
    return '-' if np.isnan(share) else f'{100 * share:.1f} %'


# Heading, text of a cell, and whether the column compares with the untrained controller.
_COLUMNS: tuple[tuple[str, Callable[[PartSummary], str], bool], ...] = (
    ('mean over\nsteps', lambda part: f'{part.first} to {part.last}', False),
    ('stage\ncost', lambda part: _number(part.cost), False),
    ('\nuntrained', lambda part: _number(part.untrained_cost), True),
    ('\nratio', lambda part: _number(part.ratio), True),
    ('out of\nbounds', lambda part: _percent(part.violated), False),
    ('\nuntrained', lambda part: _percent(part.untrained_violated), True),
)
