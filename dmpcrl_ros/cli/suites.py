# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Progress bar and tables of the commands that make many runs."""

import csv
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dmpcrl_ros.experiments.suite import ExperimentSuite
from dmpcrl_ros.recording.run_files import DIVERGED


def run_suite(suite: ExperimentSuite, workers: int, console: Console) -> None:
    """Run the missing jobs of a suite with a progress bar, and print the runs whose plant diverged.

    Raises:
        click.ClickException: a worker has died.
    """
    if done := len(suite.jobs) - len(suite.missing):
        console.print(f'{done} of {len(suite.jobs)} runs are complete already in {suite.folder}', soft_wrap=True)
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    if suite.missing:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(
                f'{len(suite.missing)} runs, steps', total=sum(job.settings.steps for job in suite.missing)
            )
            try:
                suite.run(workers, lambda steps: bar.update(task, completed=steps))
            except BrokenProcessPool:
                raise click.ClickException(
                    'a worker was killed (out of memory?); the same command continues with the missing runs, '
                    'and --jobs 1 needs the least memory'
                ) from None
    for job in suite.jobs:
        file = suite.folder / job.name / DIVERGED
        if file.exists():
            console.print(f'{job.name}: {file.read_text(encoding="utf-8").strip()}', soft_wrap=True)


def print_table(rows: list[dict[str, Any]], path: Path, console: Console, title: str) -> None:
    """Show the rows as a table in the terminal and write them, with all digits, to a file."""
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)
    console.print(f'\n{title}', style='italic', soft_wrap=True, highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for k, name in enumerate(rows[0]):
        table.add_column(name.replace(' ', '\n'), justify='right' if k else 'left')
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    console.print(table)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return '-'
    return f'{100 * value:.1f} %' if name == 'out of bounds' else f'{value:.3g}'
