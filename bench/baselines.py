# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The baselines of paper 001 on the chain, all on the same noise: closed-loop cost, violations, and time.

python bench/baselines.py [SEEDS [STEPS [WHICH ...]]]; without names, all of them. The published costs are those of one
seed, of which neither noise nor scenarios are known.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop

_FIRST_SEED = 1001


@dataclass(frozen=True)
class Baseline:
    """A controller to run, and its published cost."""

    settings: dict
    central: bool
    published: str = ''


ADMM = {'coordination': 'admm'}  # the published one
BASELINES = {
    'untrained': Baseline({'learn': False} | ADMM, False, '312'),
    'nominal': Baseline({'method': 'nominal_mpc'} | ADMM, False, '360'),
    'nominal-exact': Baseline({'method': 'nominal_mpc', 'model': 'exact'} | ADMM, False, '787'),
    'scenario-central': Baseline({'method': 'scenario_mpc'}, True, '24.0'),
    'scenario-central-exact': Baseline({'method': 'scenario_mpc', 'model': 'exact'}, True, '7.67'),
    'scenario': Baseline({'method': 'scenario_mpc'}, False),
    'scenario-exact': Baseline({'method': 'scenario_mpc', 'model': 'exact'}, False),
    'scenario-200': Baseline({'method': 'scenario_mpc', 'admm__iterations': 200}, False),
}


def closed_loops(baseline: Baseline, seeds: range, steps: int) -> dict[str, np.ndarray]:
    """Cost and share of steps out of bounds for each seed; processor milliseconds of each step, and its faults."""
    found = {'cost': [], 'violated': [], 'time': [], 'faults': []}
    for seed in seeds:
        settings = Settings(seed=seed, **baseline.settings)
        loop = ClosedLoop(settings.make_system(), settings, baseline.central)
        run, before = [], time.process_time()
        for step in loop.run(steps):
            found['time'].append(1e3 * (time.process_time() - before))
            before = time.process_time()
            found['faults'].append(any(step.faults))
            run.append(step)
        found['cost'].append(sum(step.costs.sum() for step in run))
        found['violated'].append(loop.system.violation(np.array([step.states for step in run])).any(axis=1).mean())
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    seeds, steps = (int(text) for text in (*sys.argv[1:3], *('20', '100')[len(sys.argv[1:3]) :]))
    table = Table(title=f'chain of three, {seeds} seeds, {steps} steps', title_justify='left')
    for column in (
        'controller',
        'mean cost',
        'std',
        'worst',
        'published',
        'out of bounds',
        'median step',
        '99 %',
        'faults',
    ):
        table.add_column(column, justify='left' if column == 'controller' else 'right')
    for name in sys.argv[3:] or BASELINES:
        found = closed_loops(BASELINES[name], range(_FIRST_SEED, _FIRST_SEED + seeds), steps)
        cost, times = found['cost'], found['time']
        table.add_row(
            name,
            *(f'{value:.2f}' for value in (cost.mean(), cost.std(), cost.max())),
            BASELINES[name].published,
            f'{100 * found["violated"].mean():.0f} %',
            *(f'{np.percentile(times, share):.1f} ms' for share in (50, 99)),
            str(int(found['faults'].sum())),
        )
    Console(width=130).print(table)


if __name__ == '__main__':
    main()
