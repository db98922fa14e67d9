# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Training steps where every message takes 2 ms, in virtual time: computing takes none.

.venv/bin/python bench/delay.py [milliseconds]
"""

import sys

import numpy as np
from rich.console import Console
from rich.table import Table

from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.virtual_time import VirtualTimeNetwork
from dmpcrl_ros.testing.fault_plan import FaultPlan

_STEPS, _PERIOD = 100, 0.05  # s
_METHODS = {
    'ADMM': {'coordination': 'admm'},
    'packed ADMM': {'coordination': 'packed-admm'},
    'reactions': {'coordination': 'reactions'},
    'reactions, early': {'coordination': 'reactions', 'stopping__early': True},
    'prices': {'coordination': 'prices'},
}


def durations(latency: float, **changes) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] from the state to the last action, and to the end of learning, of each step (_STEPS + 1,)."""
    settings = Settings(seed=8, learning__order='first', learning__exploration=False, **changes)
    system = settings.make_system()
    network = VirtualTimeNetwork(FaultPlan(), system.graph.neighbours, latency=latency)
    acted, ended = [], []

    def drive(programs):
        begin = network.now + (2.0 * latency if acted else 0.0)
        outcome = network(programs)
        acted.append(max(network.acted_at))
        ended.append(network.now - begin)
        return outcome

    for _ in ClosedLoop(system, settings, drive=drive).run(_STEPS):
        pass
    return np.array(acted), np.array(ended)


def table(latency: float) -> Table:
    """One row for each system and method."""
    shown = Table(title=f'{1e3 * latency:g} ms for each message, {_STEPS} training steps, computing takes no time')
    for column in ('system', 'method', 'to the action', 'whole step', f'steps within {1e3 * _PERIOD:g} ms'):
        shown.add_column(column, justify='left' if column in ('system', 'method') else 'right')
    for system in ('chain', 'power_grid'):
        for name, changes in _METHODS.items():
            acted, ended = durations(latency, system=system, **changes)
            within = 100.0 * np.mean(ended <= _PERIOD)
            shown.add_row(
                system, name, f'{1e3 * acted.mean():.0f} ms', f'{1e3 * ended.mean():.0f} ms', f'{within:.0f} %'
            )
    return shown


if __name__ == '__main__':
    Console(width=110).print(table(1e-3 * float(sys.argv[1]) if len(sys.argv) > 1 else 0.002))
