# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`make bench`: what takes how long, and real time (ARGS: seconds of each case, 60).

Compare the ratios; the times are this machine's, in this minute.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import delay
import numpy as np
import real_time
import rounds as rounds_to_accuracy
from rich.console import Console
from rich.table import Table

from dmpcrl_ros.bringup import nodes_of
from dmpcrl_ros.cli.processes import ProcessGroup
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.deployment import DeploymentSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop

_ROS_STEPS = 300
_QUIET = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'ROS_DOMAIN_ID': '87', 'OMP_NUM_THREADS': '1'}


def local_problem() -> dict[str, float]:
    """Microseconds of the middle agent's problem: one update inside ADMM, and all that a new theta costs."""
    settings = Settings(coordination='admm')
    mpc = settings.make_agent(settings.make_system(), 1).mpc
    linear = [1e-2 * np.random.default_rng(k).standard_normal(mpc.n_consensus) for k in range(8)]
    mpc.begin(np.array([0.05, 0.15]))
    solve = [_timed(lambda k=k: mpc.solve(linear[k % 8])) for k in range(4000)]
    theta = [_timed(lambda: setattr(mpc, 'theta', mpc.theta)) for _ in range(400)]
    mpc.begin(np.array([0.05, 0.15]))
    mpc.solve(linear[0])
    after = [_timed(lambda: mpc.sensitivities(mpc.solution())) for _ in range(400)]
    return {'solve': 1e6 * median(solve), 'theta': 1e6 * median(theta), 'after': 1e6 * median(after)}


def in_process(variant: str, steps: int, **changes) -> tuple[float, float]:
    """Milliseconds per training step without exploration (mean), and rounds per step (mean)."""
    published = {'learning__order': 'first', 'learning__exploration': False}
    settings = Settings(**{'chain__variant': variant, 'seed': 8} | published | changes)
    loop = ClosedLoop(settings.make_system(), settings)
    stamps, rounds = [time.perf_counter()], []
    for step in loop.run(steps):
        stamps.append(time.perf_counter())
        rounds.append(step.rounds)
    return 1e3 * float(np.mean(np.diff(stamps)[20:])), float(np.mean(rounds[20:]))


def rounds_over_ros() -> dict[str, float]:
    """Milliseconds of the one-way latency and of a round, three processes in a row."""
    script = str(Path(__file__).with_name('exchange_agent.py'))
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(agent)], stdout=subprocess.PIPE, text=True, env={**os.environ, **_QUIET}
        )
        for agent in range(3)
    ]
    found = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    return {
        'one_way': 0.5 * found[0]['one_way'],
        'round': max(f['round'] for f in found),
        'round_and_solve': max(f['round_and_solve'] for f in found),
    }


def training_over_ros(coordination: str, system: str = 'chain') -> dict[str, float]:
    """Milliseconds per training step over ROS 2, rounds per step, and seconds from the start to the first step."""
    os.environ.update(_QUIET)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, 'run')
        settings = Settings(
            system=system,
            steps=_ROS_STEPS,
            learning__order='first',
            learning__exploration=False,
            seed=8,
            coordination=coordination,
        )
        started = time.monotonic()
        first = last = None
        nodes = nodes_of(settings, DeploymentSettings(), output=str(output), report_period=None)
        with ProcessGroup(nodes) as processes:
            while not processes.ended('monitor'):
                for _, line in processes.output(timeout=0.02):
                    if 'agents connected' in line:
                        first = time.monotonic()
                    if 'run complete' in line:
                        last = time.monotonic()
        run = load_run(output)
    return {'step': 1e3 * (last - first) / _ROS_STEPS, 'rounds': float(run.rounds.mean()), 'start': first - started}


def _timed(function) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def add_training(table: Table) -> float:
    """Add the training steps over ROS 2; seconds from the start of the processes to the first step."""
    for system, coordination in (
        ('chain', 'admm'),
        ('chain', 'packed-admm'),
        ('chain', 'reactions'),
        ('chain', 'prices'),
        ('power_grid', 'admm'),
        ('power_grid', 'reactions'),
    ):
        training = training_over_ros(coordination, system)
        table.add_row(
            f'training step over ROS 2, {system}, {coordination} ({training["rounds"]:.0f} rounds)',
            f'{training["step"]:.1f} ms',
            '40 ms' if system == 'chain' else '',
        )
    return training['start']


def main() -> None:
    """Print all tables."""
    table = Table(title=f'{os.cpu_count()} cores, Python {sys.version.split()[0]}')
    for column in ('what', 'measured', 'to reach'):
        table.add_column(column, justify='left' if column == 'what' else 'right')
    local = local_problem()
    table.add_row('local update inside ADMM', f'{local["solve"]:.1f} us', '15 us')
    table.add_row('new theta: programme and factorisation', f'{local["theta"]:.0f} us', '')
    table.add_row('multipliers, KKT check and gradient', f'{local["after"]:.0f} us', '')
    for variant, order, coordination, steps, limit in (
        ('mallick2024', 'first', 'admm', 400, '5 ms'),
        ('mallick2024', 'first', 'reactions', 200, ''),
        ('mallick2025', 'first', 'admm', 200, '8 ms'),
        ('mallick2025', 'second', 'admm', 200, ''),
        ('mallick2025', 'second', 'reactions', 200, ''),
    ):
        duration, rounds = in_process(variant, steps, learning__order=order, coordination=coordination)
        what = f'training step in process, {variant}, {order} order, {coordination}'
        table.add_row(f'{what} ({rounds:.0f} rounds)', f'{duration:.2f} ms', limit)
    ros = rounds_over_ros()
    table.add_row('one-way latency, two processes', f'{ros["one_way"]:.3f} ms', '')
    table.add_row('round, three processes, nothing solved', f'{ros["round"]:.3f} ms', '')
    limit = 3.0 * ros['one_way'] + 1e-3 * local['solve']
    table.add_row(
        'round, three processes, with the local update', f'{ros["round_and_solve"]:.3f} ms', f'{limit:.3f} ms'
    )
    start = add_training(table)
    table.add_row('from the start of the processes to the first step', f'{start:.2f} s', '')
    Console().print(table)
    rounds_to_accuracy.show(Console(), [])
    Console(width=110).print(delay.table(0.002))
    Console(width=130).print(real_time.table(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))


if __name__ == '__main__':
    main()
