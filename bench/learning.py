# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Success of learning: the chain of paper 001, 5,000 steps in process, over seeds.

`python bench/learning.py [seeds [coordination [order]]]` prints the mean stage cost of each 500 steps. A run whose
plant leaves the range it can be brought back from ends early.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

os.environ['OMP_NUM_THREADS'] = '1'

import numpy as np  # noqa: E402 - the number of threads is read when numpy is imported
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from dmpcrl_ros.settings.run import Settings  # noqa: E402
from dmpcrl_ros.simulation.closed_loop import ClosedLoop  # noqa: E402

_STEPS, _PART = 5000, 500
_LOST = 1e4  # stage cost beyond which the input bounds cannot bring the plant back


def learn(seed: int, coordination: str, order: str) -> list[float]:
    """Mean stage cost of each part of the run, up to where it was lost."""
    settings = Settings(seed=seed, coordination=coordination, learning__order=order, learning__guard=False)
    costs = []
    for step in ClosedLoop(settings.make_system(), settings).run(_STEPS):
        costs.append(float(step.costs.sum()))
        if costs[-1] > _LOST:
            break
    return [float(np.mean(costs[k : k + _PART])) for k in range(0, len(costs), _PART)]


def main() -> None:
    seeds = range(1, 1 + int(sys.argv[1]) if len(sys.argv) > 1 else 11)
    coordination = sys.argv[2] if len(sys.argv) > 2 else Settings().of_method.coordination
    order = sys.argv[3] if len(sys.argv) > 3 else 'first'
    table = Table(
        'seed',
        *(f'-{k + _PART}' for k in range(0, _STEPS, _PART)),
        title=f'{coordination}, order {order}: mean stage cost of each 500 steps',
    )
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seed, means in zip(seeds, pool.map(learn, seeds, repeat(coordination), repeat(order)), strict=True):
            table.add_row(str(seed), *(f'{mean:.3f}' if mean < 100 else 'lost' for mean in means))
    Console().print(table)


if __name__ == '__main__':
    main()
