# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Controllers before and after learning, in real time over ROS 2, on the carts of the simulator.

Evaluates the untrained controllers, lets them learn with checkpoints, and evaluates what they have learned on the same
gusts, which are not those of learning. Everything is kept in a folder: runs, logs, table and pictures.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import yaml
from pictures import draw_costs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from trials import BRIDGE, PERIOD, SIMULATOR, Outcome, Trial, TrialFailed, run

from dmpcrl_ros.bringup import isolation

_IN_TIME = 0.9  # of the deadlines, below which nothing can be expected
_TRAINING_SEED, _FIRST_SEED = 1, 401  # of the gusts
_COLUMNS = (
    'gusts',
    'cost untrained',
    'cost learned',
    'learned / untrained',
    'deadlines met untrained',
    'deadlines met learned',
    'largest command untrained [N]',
    'largest command learned [N]',
)


def main() -> int:
    """All runs, the table and the pictures; 0 if learning has lowered the cost within the limits of the motors."""
    options, console = _parser().parse_args(), Console()
    folder = options.output or Path('runs', f'physics-{datetime.now():%Y%m%d-%H%M%S}')
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.update(isolation())
    os.environ.pop('PYTHONSAFEPATH', None)  # the script that draws the film strip has modules beside it
    try:
        folder.mkdir(parents=True)
        return _demonstrate(options, folder, console)
    except KeyboardInterrupt:
        console.print(f'\ninterrupted; the runs so far are in {folder}')
        return 130
    except (TrialFailed, OSError) as error:
        console.print(f'demonstration: {error}', style='red', highlight=False, soft_wrap=True)
        return 1


def _demonstrate(options: argparse.Namespace, folder: Path, console: Console) -> int:
    kept = ('--checkpoints', str(folder.resolve() / 'checkpoints'))
    seeds, limit = range(_FIRST_SEED, _FIRST_SEED + options.seeds), _limit()
    with Progress(
        TextColumn('{task.description:<22}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as bars:

        def tried(name: str, steps: int, gusts: int, *arguments: str) -> Outcome:
            bar = bars.add_task(name, total=steps)
            return run(
                Trial(
                    folder=folder / name.replace(', ', '-').replace(' ', '-'),
                    steps=steps,
                    gusts=gusts,
                    speed=options.speed,
                    arguments=arguments,
                ),
                lambda done: bars.update(bar, completed=done),
            )

        untrained = [tried(f'untrained, gusts {seed}', options.steps, seed, '--no-learn') for seed in seeds]
        training = tried('learning', options.training_steps, _TRAINING_SEED, *kept)
        learned = [tried(f'learned, gusts {seed}', options.steps, seed, '--no-learn', *kept) for seed in seeds]
    rows = [_row(seed, *pair) for seed, *pair in zip(seeds, untrained, learned, strict=True)]
    _tell(rows, training, limit, console)
    _write(rows, folder / 'table.csv')
    draw_costs(
        training.costs,
        [each.costs for each in untrained],
        [each.costs for each in learned],
        PERIOD,
        folder / 'costs.png',
    )
    _draw_strip(untrained[0].log, learned[0].log, options.steps * PERIOD, folder)
    console.print(f'table.csv, costs.png, film_strip.png and all runs: {folder}', soft_wrap=True)
    shortcomings = _shortcomings(rows, max(each.command for each in (*untrained, training, *learned)), limit)
    for shortcoming in shortcomings:
        console.print(shortcoming, style='bold', soft_wrap=True)
    return 1 if shortcomings else 0


def _shortcomings(rows: list[tuple[float, ...]], command: float, limit: float) -> list[str]:
    """Violations of what the demonstration is to show; with the reason, if the machine could not keep time."""
    found = []
    if command > limit:
        found.append(f'a command of {command:.3f} N exceeded the limit')
    if sum(row[2] for row in rows) >= sum(row[1] for row in rows):
        found.append('learning has not lowered the cost')
    met = min(min(row[4:6]) for row in rows)
    if found and met < _IN_TIME:
        found.append(f'only {100.0 * met:.0f} % of the deadlines were met: the machine is too busy for real time')
    return found


def _limit() -> float:
    """The largest command that the bridge may send [N]."""
    agents = yaml.safe_load(BRIDGE.read_text(encoding='utf-8'))['agents']
    return max(abs(value) for agent in agents for target in agent['input'] for value in target['saturation'])


def _row(gusts: int, before: Outcome, after: Outcome) -> tuple[float, ...]:
    return (
        gusts,
        before.cost,
        after.cost,
        after.cost / before.cost,
        before.deadlines,
        after.deadlines,
        before.command,
        after.command,
    )


def _tell(rows: list[tuple[float, ...]], training: Outcome, limit: float, console: Console) -> None:
    table = Table(title=f'closed-loop cost on gusts that were not learned from; commands are limited to {limit:g} N')
    for heading in ('gusts', 'untrained', 'learned', 'ratio', 'deadlines met [%]', 'largest command [N]'):
        table.add_column(heading, justify='right')

    def line(name: str, values: Sequence[float]) -> None:
        before, after, ratio, *shares = values
        table.add_row(
            name,
            f'{before:.1f}',
            f'{after:.1f}',
            f'{ratio:.2f}',
            f'{100.0 * shares[0]:.1f}, {100.0 * shares[1]:.1f}',
            f'{shares[2]:.3f}, {shares[3]:.3f}',
        )

    for row in rows:
        line(f'seed {row[0]}', row[1:])
    if len(rows) > 1:
        values = np.array(rows)[:, 1:]
        before, after = values[:, :2].mean(axis=0)
        line('mean; largest', [before, after, after / before, *values[:, 3:5].mean(axis=0), *values[:, 5:].max(axis=0)])
    console.print(table)
    console.print(
        f'learning: {len(training.costs)} steps, {100.0 * training.deadlines:.1f} % of deadlines met, '
        f'largest command {training.command:.3f} N',
        highlight=False,
        soft_wrap=True,
    )


def _write(rows: list[tuple[float, ...]], path: Path) -> None:
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([_COLUMNS, *rows])


def _draw_strip(before: Path, after: Path, seconds: float, folder: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            SIMULATOR / 'film_strip.py',
            f'before learning={before}',
            f'after learning={after}',
            '--seconds',
            str(seconds),
            '--output',
            folder / 'film_strip.png',
        ],
        check=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='demonstration', description=__doc__)
    parser.add_argument('--seeds', type=_positive(int), default=1, help='gusts on which controllers are evaluated [1]')
    parser.add_argument('--steps', type=_positive(int), default=100, help='control steps of an evaluation [100]')
    parser.add_argument('--training-steps', type=_positive(int), default=600, help='control steps of learning [600]')
    parser.add_argument(
        '--speed',
        type=_positive(float),
        default=1.0,
        help='simulated seconds per second: as many as the machine keeps up with [1]',
    )
    parser.add_argument('--output', type=Path, help='new folder for everything; default: one under runs/')
    return parser


def _positive(kind: type):
    def number(text: str):
        value = kind(text)
        if not 0 < value < float('inf'):
            raise argparse.ArgumentTypeError(f'{text} must be a positive number')
        return value

    return number


if __name__ == '__main__':
    sys.exit(main())
