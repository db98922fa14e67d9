"""`dmpcrl reproduce`: the experiments of a paper, from their runs to their figures and tables."""

import os
from pathlib import Path

import click
from rich.console import Console

from dmpcrl_ros.cli.campaigns import run_campaign, tell
from dmpcrl_ros.reproductions import paper_000
from dmpcrl_ros.reproductions.campaign import Campaign
from dmpcrl_ros.reproductions.curves import WINDOW, Curves, learning_curves, states_and_inputs


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
    curves = {name: Curves.of([runs[f'{name}-seed-{seed}'] for seed in range(1, seeds + 1)], steps)
              for name in methods}
    learning, final, drawn_curves, drawn_states = (
        output / name for name in ('learning.csv', 'final.csv', 'learning_curves.png', 'states_and_inputs.png'))
    tell(paper_000.learning_table(curves), learning, console,
         f'means of the {WINDOW} steps up to the one named: medians of {seeds} seeds')
    tell(paper_000.final_table(curves), final, console, f'last {min(paper_000.LAST, steps)} steps of {seeds} seeds')
    learning_curves(curves).savefig(drawn_curves, dpi=150)
    states_and_inputs({name: runs[f'{name}-seed-1'] for name in methods}).savefig(drawn_states, dpi=150)
    console.print(f'written: learning.csv, final.csv, learning_curves.png and states_and_inputs.png in {output}')
