# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Real time at 20 Hz, three agents: how many inputs come in time. `python bench/real_time.py [seconds]`."""

import os
import re
import sys
import time

from rich.console import Console
from rich.table import Table

from dmpcrl_ros.bringup import nodes_of
from dmpcrl_ros.cli.processes import ProcessGroup
from dmpcrl_ros.settings.deployment import DeploymentSettings
from dmpcrl_ros.settings.run import Settings

_PERIOD = 0.05  # s
_QUIET = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_DOMAIN_ID': '88', 'OMP_NUM_THREADS': '1'}
# A deployed controller, warm-started, needs fewer iterations than the 50 that are published.
CASES = (
    ('no learning, 20 iterations', {'learn': False, 'admm__iterations': 20}),
    ('no learning, 50 iterations', {'learn': False, 'admm__iterations': 50}),
    ('learning, 20 iterations', {'admm__iterations': 20}),
    ('learning, 50 iterations', {'admm__iterations': 50}),
)


def report(seconds: float, **changes) -> list[str]:
    """Deadlines met [%], then median, 95 % and worst of latency and of jitter [ms], as the plant reports them."""
    settings = Settings(steps=round(seconds / _PERIOD), seed=8, learning__exploration=False, **changes)
    deployment = DeploymentSettings(real_time=True, period=_PERIOD)
    os.environ.update(_QUIET)
    with ProcessGroup(nodes_of(settings, deployment)) as processes:
        deadline = time.monotonic() + seconds + 60.0
        while time.monotonic() < deadline:
            for _, line in processes.output(timeout=1.0):
                if 'real time: ' in line:
                    return re.findall(r'(\d+\.\d+)', line.split('real time: ')[1])
            processes.ended('plant')  # raises where a node has died
    raise TimeoutError('the run did not end')


def table(seconds: float) -> Table:
    """One row for each case."""
    shown = Table(
        title=f'real time at {1.0 / _PERIOD:.0f} Hz, three agents, {seconds:g} s each, '
        f'{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f} before'
    )
    for column in ('chain', 'deadlines met', 'latency of the inputs', 'jitter of the steps'):
        shown.add_column(column, justify='left' if column == 'chain' else 'right')
    for name, changes in CASES:
        met, *times = report(seconds, **changes)
        shown.add_row(name, f'{met} %', ' / '.join(times[:3]) + ' ms', ' / '.join(times[3:]) + ' ms')
    shown.caption = 'median / 95 % / worst'
    return shown


if __name__ == '__main__':
    Console(width=110).print(table(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
