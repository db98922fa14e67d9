# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`dmpcrl reproduce`: the experiments of a paper, from their runs to their figures and tables."""

import copy
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import cloup
from rich.console import Console

from dmpcrl_ros.cli.suites import print_table, run_suite
from dmpcrl_ros.cli.terminal import UserPath, terminal
from dmpcrl_ros.experiments.dual_recovery import dual_errors_of
from dmpcrl_ros.experiments.evaluation import Candidate, Scores, evaluation_jobs, score_table, scores_of
from dmpcrl_ros.experiments.learning_curves import WINDOW, LearningCurves, learning_curves, states_and_inputs
from dmpcrl_ros.experiments.suite import ExperimentSuite
from dmpcrl_ros.recording.figures import dual_error
from dmpcrl_ros.recording.plot_style import save
from dmpcrl_ros.reproductions import mallick2024_chain, mallick2024_grid, mallick2025
from dmpcrl_ros.settings.run import Settings

_SHORT_NAMES = {'001': 'mallick2024', '000': 'mallick2025'}  # former names of the papers
_jobs = click.option(
    '--jobs',
    type=click.IntRange(min=1),
    default=len(os.sched_getaffinity(0)),
    show_default='all cores',
    help='number of runs at the same time',
)


def _output(name: str) -> Callable[..., Any]:
    return click.option(
        '--output',
        type=UserPath(path_type=Path, file_okay=False),
        default=Path('runs', name),
        show_default=True,
        help='directory of the results; complete runs in it are not repeated',
    )


@cloup.group()
def reproduce() -> None:
    """Repeat the experiments of a paper: its runs, figures and tables."""


@reproduce.command('mallick2025')
@_output('mallick2025')
@click.option('--seeds', type=click.IntRange(min=1), default=5, show_default=True, help='number of noise sequences')
@click.option(
    '--steps', type=click.IntRange(min=100), default=2000, show_default=True, help='control steps of each run'
)
@click.option(
    '--variant',
    '--method',
    'variants',
    type=click.Choice(list(mallick2025.VARIANTS)),
    multiple=True,
    default=mallick2025.PUBLISHED_VARIANTS,
    show_default=True,
    help='variant of learning; can be given several times',
)
@_jobs
def second_order(output: Path, seeds: int, steps: int, variants: tuple[str, ...], jobs: int) -> None:
    """Second-order distributed Q-learning: figures 1 and 2."""
    console, variants = terminal(), tuple(dict.fromkeys(variants))
    suite = ExperimentSuite(output, mallick2025.jobs(variants, range(1, seeds + 1), steps))
    run_suite(suite, jobs, console)
    runs = {job.name: run for job, run in suite.runs()}
    curves = {
        name: LearningCurves.of([runs[f'{name}-seed-{seed}'] for seed in range(1, seeds + 1)], steps)
        for name in variants
    }
    print_table(
        mallick2025.learning_table(curves),
        output / 'learning.csv',
        console,
        f'means of the {WINDOW} steps up to the given one: medians of {seeds} seeds',
    )
    print_table(
        mallick2025.final_table(curves),
        output / 'final.csv',
        console,
        f'last {min(mallick2025.LAST, steps)} steps of {seeds} seeds',
    )
    save(
        {
            'learning_curves': learning_curves(curves),
            'states_and_inputs': states_and_inputs({name: runs[f'{name}-seed-1'] for name in variants}),
        },
        output,
    )
    console.print(f'figures and tables: {output}', soft_wrap=True)


@reproduce.command('mallick2024')
@_output('mallick2024')
@click.option(
    '--part',
    type=click.Choice(['all', 'chain', 'grid']),
    default='all',
    show_default=True,
    help='chain has the figures 1 to 5, the power grid 6 to 8',
)
@click.option('--seed', type=click.IntRange(min=0), default=1, show_default=True, help='seed of the training')
@click.option(
    '--steps',
    type=click.IntRange(min=100),
    default=20000,
    show_default=True,
    help='control steps of training the chain',
)
@click.option(
    '--episodes', type=click.IntRange(min=2), default=100, show_default=True, help='episodes of training the grid'
)
@click.option(
    '--evaluations',
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help='noise sequences for the comparison on the chain; five times as many on the grid',
)
@_jobs
def first_order(output: Path, part: str, seed: int, steps: int, episodes: int, evaluations: int, jobs: int) -> None:
    """Multi-agent Q-learning by distributed MPC: figures 1 to 8."""
    console = terminal()
    if part != 'grid':
        _chain(output, seed, steps, evaluations, jobs, console)
    if part != 'chain':
        _grid(output, seed, episodes, 5 * evaluations, jobs, console)
    console.print(f'figures and tables: {output}', soft_wrap=True)


def _chain(output: Path, seed: int, steps: int, evaluations: int, jobs: int, console: Console) -> None:
    paper = mallick2024_chain
    trained = ExperimentSuite(output, paper.training(seed, steps))
    run_suite(trained, jobs, console)
    runs = {job.name: run for job, run in trained.runs()}
    published = {name: runs[name] for name in paper.TRAINED}
    candidates = paper.candidates(output, int(runs['distributed'].parameters['agent_2'].updates[-1]))
    seeds = range(paper.FIRST_EVALUATION_SEED, paper.FIRST_EVALUATION_SEED + evaluations)
    common = paper.SETTINGS.but(steps=paper.EVALUATED_STEPS)
    scores = _compared(output / 'evaluations', candidates, common, seeds, jobs, console)
    print_table(
        paper.with_published(score_table(scores)),
        output / 'scores.csv',
        console,
        f'chain, cost of {paper.EVALUATED_STEPS} steps, {evaluations} noise sequences; low, high: 95 % confidence',
    )
    curves = {name: LearningCurves.of([run], steps) for name, run in runs.items()}
    save(
        {
            'figure_1_dual_errors': dual_error(dual_errors_of(runs['distributed']) or {}),
            'figure_2_states_and_inputs': states_and_inputs(published),
            'figure_3_learning_curves': learning_curves(curves),
            'figure_4_parameters': paper.parameters_of_both(published, 'agent_2'),
            'figure_5_costs': paper.costs_of_all(scores),
        },
        output,
    )


def _grid(output: Path, seed: int, episodes: int, evaluations: int, jobs: int, console: Console) -> None:
    paper = mallick2024_grid
    trained = ExperimentSuite(output, [paper.training(seed, episodes)])
    run_suite(trained, jobs, console)
    ((_, run),) = trained.runs()
    seeds = range(paper.FIRST_EVALUATION_SEED, paper.FIRST_EVALUATION_SEED + evaluations)
    scores = _compared(output / 'grid-evaluations', paper.candidates(output), paper.common(), seeds, jobs, console)
    print_table(
        paper.with_published(score_table(scores)),
        output / 'grid-scores.csv',
        console,
        f'power grid, return of {evaluations} episodes; low, high: 95 % confidence',
    )
    save(
        {
            'figure_6_learning': paper.learning(run),
            'figure_7_episodes': paper.first_and_last_episode(run),
            'figure_8_comparison': paper.comparison(scores),
        },
        output,
    )


def _compared(
    folder: Path, candidates: Sequence[Candidate], common: Settings, seeds: Sequence[int], jobs: int, console: Console
) -> dict[str, Scores]:
    evaluated = ExperimentSuite(folder, evaluation_jobs(candidates, common, seeds))
    run_suite(evaluated, jobs, console)
    return scores_of(evaluated.runs(), candidates, seeds)


def _add_short_names() -> None:
    for short, name in _SHORT_NAMES.items():
        alias = copy.copy(reproduce.commands[name])
        alias.name, alias.hidden = short, True
        reproduce.add_command(alias)


_add_short_names()
