# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Real time, three agents: how many inputs come in time, and in how many periods all rounds are done.

.venv/bin/python bench/real_time.py [seconds of each case]
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dmpcrl_ros.bringup import nodes_of
from dmpcrl_ros.cli.processes import ProcessGroup
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.deployment import DeploymentSettings
from dmpcrl_ros.settings.run import Settings

_QUIET = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_DOMAIN_ID': '88', 'OMP_NUM_THREADS': '1'}
_ADMM, _REACTIONS = {'coordination': 'admm'}, {'coordination': 'reactions'}
# Names, frequencies [Hz] and settings. A deployed controller, warm-started, needs fewer iterations of ADMM than the 50
# that are published.
CASES = (
    ('ADMM, no learning, 20 iterations', 20, _ADMM | {'learn': False, 'admm__iterations': 20}),
    ('ADMM, learning, 50 iterations', 20, _ADMM),
    ('reactions, learning', 20, _REACTIONS),
    ('reactions, no learning', 50, _REACTIONS | {'learn': False}),
    ('reactions, no learning', 100, _REACTIONS | {'learn': False}),
    ('reactions, no learning, early', 100, _REACTIONS | {'learn': False, 'stopping__early': True}),
)


def report(seconds: float, frequency: float, **changes) -> list[str]:
    """Deadlines met [%], periods with all rounds [%], latency and jitter [ms] as the plant reports them."""
    settings = Settings(steps=round(seconds * frequency), seed=8, learning__exploration=False, **changes)
    deployment = DeploymentSettings(real_time=True, period=1.0 / frequency)
    os.environ.update(_QUIET)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, 'run')
        with ProcessGroup(nodes_of(settings, deployment, output=str(output), report_period=None)) as processes:
            told, deadline = [], time.monotonic() + seconds + 60.0
            while not processes.ended('monitor') and time.monotonic() < deadline:
                for _, line in processes.output(timeout=1.0):
                    if 'real time: ' in line:
                        told = re.findall(r'(\d+\.\d+)', line.split('real time: ')[1])
            if not told:
                raise TimeoutError('the run did not end')
        run = load_run(output)
    whole = np.mean([not fault for fault in run.faults])
    met, *times = told
    return [f'{met} %', f'{100.0 * whole:.2f} %', ' / '.join(times[:3]) + ' ms', ' / '.join(times[3:]) + ' ms']


def table(seconds: float) -> Table:
    """One row for each case."""
    shown = Table(
        title=f'real time, three agents, {seconds:g} s each, '
        f'{os.cpu_count()} cores with a load of {os.getloadavg()[0]:.1f} before'
    )
    columns = ('chain', 'frequency', 'deadlines met', 'all rounds done', 'latency of the inputs', 'jitter of the steps')
    for column in columns:
        shown.add_column(column, justify='left' if column == 'chain' else 'right')
    for name, frequency, changes in CASES:
        shown.add_row(name, f'{frequency} Hz', *report(seconds, frequency, **changes))
    shown.caption = 'median / 95 % / worst'
    return shown


if __name__ == '__main__':
    Console(width=130).print(table(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
