"""`dmpcrl reproduce`: the experiments of a paper, from their runs to their figures and tables."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console

from dmpcrl_ros.cli.suites import run_suite, tell
from dmpcrl_ros.experiments.evaluation import Candidate, Scores, evaluation_jobs, score_table, scores_of
from dmpcrl_ros.experiments.learning_curves import WINDOW, LearningCurves, learning_curves, states_and_inputs
from dmpcrl_ros.experiments.suite import ExperimentSuite
from dmpcrl_ros.recording.figures import dual_error
from dmpcrl_ros.recording.plot_style import save
from dmpcrl_ros.reproductions import mallick2024_chain, mallick2024_grid, mallick2025
from dmpcrl_ros.settings.run import Settings

_jobs = click.option('--jobs', type=click.IntRange(min=1), default=len(os.sched_getaffinity(0)),
                     show_default='all cores', help='runs at the same time')


def _output(name: str) -> Callable:
    return click.option(
        '--output', type=click.Path(path_type=Path, file_okay=False), default=Path('runs', name), show_default=True,
        help='folder of the runs, figures and tables; what is complete in it is not run again')


@click.group()
def reproduce() -> None:
    """Repeat the experiments of a paper: its runs, figures and tables."""


@reproduce.command('000')
@_output('paper-000')
@click.option('--seeds', type=click.IntRange(min=1), default=5, show_default=True, help='noise sequences, from 1 on')
@click.option('--steps', type=click.IntRange(min=100), default=2000, show_default=True, help='of each run')
@click.option('--method', 'methods', type=click.Choice(list(mallick2025.METHODS)), multiple=True,
              default=mallick2025.PUBLISHED_METHODS, show_default=True, help='may be given several times')
@_jobs
def second_order(output: Path, seeds: int, steps: int, methods: tuple[str, ...], jobs: int) -> None:
    """Second-order distributed Q-learning (paper 000), figures 1 and 2."""
    console, methods = Console(), tuple(dict.fromkeys(methods))
    suite = ExperimentSuite(output, mallick2025.jobs(methods, range(1, seeds + 1), steps))
    run_suite(suite, jobs, console)
    runs = {job.name: run for job, run in suite.runs()}
    curves = {name: LearningCurves.of([runs[f'{name}-seed-{seed}'] for seed in range(1, seeds + 1)], steps)
              for name in methods}
    tell(mallick2025.learning_table(curves), output / 'learning.csv', console,
         f'means of the {WINDOW} steps up to the one named: medians of {seeds} seeds')
    tell(mallick2025.final_table(curves), output / 'final.csv', console,
         f'last {min(mallick2025.LAST, steps)} steps of {seeds} seeds')
    save({'learning_curves': learning_curves(curves),
          'states_and_inputs': states_and_inputs({name: runs[f'{name}-seed-1'] for name in methods})}, output)
    console.print(f'figures and tables: {output}', soft_wrap=True)


@reproduce.command('001')
@_output('paper-001')
@click.option('--part', type=click.Choice(['all', 'chain', 'grid']), default='all', show_default=True,
              help='the chain, figures 1 to 5, or the power grid, figures 6 to 8')
@click.option('--seed', type=click.IntRange(min=0), default=1, show_default=True, help='of training')
@click.option('--steps', type=click.IntRange(min=100), default=20000, show_default=True, help='of training the chain')
@click.option('--episodes', type=click.IntRange(min=2), default=100, show_default=True, help='of training the grid')
@click.option('--evaluations', type=click.IntRange(min=1), default=20, show_default=True,
              help='noise sequences on which the controllers of the chain are compared; five times as many of the grid')
@_jobs
def first_order(output: Path, part: str, seed: int, steps: int, episodes: int, evaluations: int, jobs: int) -> None:
    """Multi-agent Q-learning by distributed MPC (paper 001), figures 1 to 8."""
    console = Console()
    if part != 'grid':
        _chain(output, seed, steps, evaluations, jobs, console)
    if part != 'chain':
        _grid(output, seed, episodes, 5 * evaluations, jobs, console)
    console.print(f'figures and tables: {output}', soft_wrap=True)


def _chain(output: Path, seed: int, steps: int, evaluations: int, jobs: int, console: Console) -> None:
    trained = ExperimentSuite(output, mallick2024_chain.training(seed, steps))
    run_suite(trained, jobs, console)
    runs = {job.name: run for job, run in trained.runs()}
    published = {name: runs[name] for name in mallick2024_chain.TRAINED}
    candidates = mallick2024_chain.candidates(output, int(runs['distributed'].parameters['agent_2'].updates[-1]))
    seeds = range(mallick2024_chain.FIRST_EVALUATION_SEED, mallick2024_chain.FIRST_EVALUATION_SEED + evaluations)
    scores = _compared(output / 'evaluations', candidates, Settings(steps=mallick2024_chain.EVALUATED_STEPS), seeds, jobs,
                       console)
    tell(mallick2024_chain.with_published(score_table(scores)), output / 'scores.csv', console,
         f'chain, cost of {mallick2024_chain.EVALUATED_STEPS} steps, {evaluations} noise sequences; low, high: 95 % confidence')
    save({'figure_1_dual_errors': dual_error(mallick2024_chain.dual_errors_of(runs['distributed'])),
          'figure_2_states_and_inputs': states_and_inputs(published),
          'figure_3_learning_curves': learning_curves({name: LearningCurves.of([run], steps) for name, run in runs.items()}),
          'figure_4_parameters': mallick2024_chain.parameters_of_both(published, 'agent_2'),
          'figure_5_costs': mallick2024_chain.costs_of_all(scores)}, output)


def _grid(output: Path, seed: int, episodes: int, evaluations: int, jobs: int, console: Console) -> None:
    trained = ExperimentSuite(output, [mallick2024_grid.training(seed, episodes)])
    run_suite(trained, jobs, console)
    (_, run), = trained.runs()
    seeds = range(mallick2024_grid.FIRST_EVALUATION_SEED, mallick2024_grid.FIRST_EVALUATION_SEED + evaluations)
    scores = _compared(output / 'grid-evaluations', mallick2024_grid.candidates(output), mallick2024_grid.common(), seeds,
                       jobs, console)
    tell(mallick2024_grid.with_published(score_table(scores)), output / 'grid-scores.csv', console,
         f'power grid, return of {evaluations} episodes; low, high: 95 % confidence')
    save({'figure_6_learning': mallick2024_grid.learning(run),
          'figure_7_episodes': mallick2024_grid.first_and_last_episode(run),
          'figure_8_comparison': mallick2024_grid.comparison(scores)}, output)


def _compared(folder: Path, candidates: Sequence[Candidate], common: Settings, seeds: Sequence[int], jobs: int,
              console: Console) -> dict[str, Scores]:
    evaluated = ExperimentSuite(folder, evaluation_jobs(candidates, common, seeds))
    run_suite(evaluated, jobs, console)
    return scores_of(evaluated.runs(), candidates, seeds)
