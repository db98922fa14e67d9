"""`dmpcrl reproduce`: the experiments of a paper, from their runs to their figures and tables."""

import csv
import os
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dmpcrl_ros.reproductions import paper_000
from dmpcrl_ros.reproductions.campaign import DIVERGED, Campaign


@click.group()
def reproduce() -> None:
    """Repeat the experiments of a paper: its runs, figures and tables."""


@reproduce.command('000')
@click.option('--output', type=click.Path(path_type=Path, file_okay=False), default=Path('runs', 'paper-000'),
              show_default=True, help='folder of the runs, figures and tables; what is complete in it is not run again')
@click.option('--seeds', type=click.IntRange(min=1), default=5, show_default=True, help='noise sequences, from 1 on')
@click.option('--steps', type=click.IntRange(min=100), default=2000, show_default=True, help='of each run')
@click.option('--method', 'methods', type=click.Choice(list(paper_000.METHODS)), multiple=True,
              default=paper_000.PUBLISHED_METHODS, show_default=True, help='may be given several times')
@click.option('--jobs', type=click.IntRange(min=1), default=os.cpu_count(), show_default='all cores',
              help='runs at the same time')
def second_order(output: Path, seeds: int, steps: int, methods: tuple[str, ...], jobs: int) -> None:
    """Second-order distributed Q-learning (paper 000), figures 1 and 2."""
    console, methods = Console(), tuple(dict.fromkeys(methods))
    campaign = Campaign(output, paper_000.jobs(methods, range(1, seeds + 1), steps))
    run_campaign(campaign, jobs, console)
    runs = {job.name: run for job, run in campaign.runs()}
    curves = {name: paper_000.Curves.of([runs[f'{name}-seed-{seed}'] for seed in range(1, seeds + 1)], steps)
              for name in methods}
    learning, final, drawn_curves, drawn_states = (
        output / name for name in ('learning.csv', 'final.csv', 'learning_curves.png', 'states_and_inputs.png'))
    tell(paper_000.learning_table(curves), learning, console,
         f'means of the {paper_000.WINDOW} steps up to the one named: medians of {seeds} seeds')
    tell(paper_000.final_table(curves), final, console, f'last {min(paper_000.LAST, steps)} steps of {seeds} seeds')
    paper_000.learning_curves(curves).savefig(drawn_curves, dpi=150)
    paper_000.states_and_inputs({name: runs[f'{name}-seed-1'] for name in methods}).savefig(drawn_states, dpi=150)
    console.print(f'written: learning.csv, final.csv, learning_curves.png and states_and_inputs.png in {output}')


def run_campaign(campaign: Campaign, workers: int, console: Console) -> None:
    """Run what is missing of a campaign under a progress bar, and say which plants were lost.

    Raises:
        click.ClickException: a worker has died.
    """
    if done := len(campaign.jobs) - len(campaign.missing):
        console.print(f'{done} of {len(campaign.jobs)} runs are complete already in {campaign.folder}')
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    if campaign.missing:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(f'{len(campaign.missing)} runs, steps',
                                total=sum(job.settings.steps for job in campaign.missing))
            try:
                campaign.run(workers, lambda steps: bar.update(task, completed=steps))
            except BrokenProcessPool:
                raise click.ClickException('a worker was killed (out of memory?); the same command goes on where it '
                                           'was, --jobs 1 needs the least') from None
    for job in campaign.jobs:
        file = campaign.folder / job.name / DIVERGED
        if file.exists():
            console.print(f'{job.name}: {file.read_text(encoding="utf-8").strip()}')


def tell(rows: list[dict[str, Any]], path: Path, console: Console, title: str) -> None:
    """The rows as a table in the terminal and, with all digits, as a file."""
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)
    table = Table(title=title, title_justify='left', box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in rows[0]:
        table.add_column(name.replace(' ', '\n'), justify='left' if name == 'method' else 'right')
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    console.print(table)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return '-'
    return f'{100 * value:.1f} %' if name == 'out of bounds' else f'{value:.3g}'
