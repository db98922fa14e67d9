# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`dmpcrl evaluate`: the learned controllers of a run against the untrained ones."""

import os
from pathlib import Path

import click
import cloup

from dmpcrl_ros.cli.suites import print_table, run_suite
from dmpcrl_ros.cli.terminal import UserPath, terminal
from dmpcrl_ros.experiments.evaluation import Candidate, evaluation_jobs, score_table, scores_of
from dmpcrl_ros.experiments.suite import ExperimentSuite
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_run


@cloup.command()
@click.argument('directory', type=UserPath(path_type=Path, exists=True, file_okay=False))
@click.option('--seeds', type=click.IntRange(min=1), default=10, show_default=True, help='number of noise sequences')
@click.option(
    '--first-seed', type=click.IntRange(min=0), default=1001, show_default=True, help='seed of the first of them'
)
@click.option(
    '--steps', type=click.IntRange(min=1), help='control steps of each  [default: an episode of the system, or 100]'
)
@click.option(
    '--jobs',
    type=click.IntRange(min=1),
    default=len(os.sched_getaffinity(0)),
    show_default='all cores',
    help='number of runs at the same time',
)
def evaluate(directory: Path, seeds: int, first_seed: int, steps: int | None, jobs: int) -> None:
    """Compare the learned controllers of a run with the untrained ones.

    Both run with fixed parameters on the same noise sequences. DIRECTORY is the directory of the run. The new runs are
    recorded in a directory beside it, and complete ones are not repeated.
    """
    console, run = terminal(), load_run(directory)
    system, policy = run.settings.make_system(), Policy(directory)
    policy.thetas(system.names)  # checks that there are any, before the runs
    if not run.updates:
        raise RunDirectoryError(f'{directory} is a run without learning: no parameter was updated')
    steps = steps or system.episode_length or 100
    common, central = run.settings.but(steps=steps), bool(run.configuration.get('extra', {}).get('central'))
    candidates = [Candidate('learned', central=central, policy=policy), Candidate('untrained', central=central)]
    chosen = range(first_seed, first_seed + seeds)
    suite = ExperimentSuite(
        directory.parent / f'{directory.name}-evaluated-{steps}-steps', evaluation_jobs(candidates, common, chosen)
    )
    run_suite(suite, jobs, console)
    print_table(
        score_table(scores_of(suite.runs(), candidates, chosen)),
        suite.folder / 'scores.csv',
        console,
        f'closed-loop cost of {steps} steps, {seeds} noise sequences; low, high: 95 % confidence of the mean',
    )
    console.print(f'runs and scores.csv: {suite.folder}', soft_wrap=True)
