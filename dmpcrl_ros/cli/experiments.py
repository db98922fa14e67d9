"""The experiments behind the commands: a run over ROS 2 nodes, a run in one process, and what is told about them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dmpcrl_ros.bringup import NodeSpec, nodes_of
from dmpcrl_ros.cli.launched import launch_is_installed, run_under_launch
from dmpcrl_ros.cli.processes import ProcessGroup
from dmpcrl_ros.cli.progress import RunProgress, StepsFollower
from dmpcrl_ros.reports.figures import dual_error, save_all
from dmpcrl_ros.reports.recorded_run import Run, load_run
from dmpcrl_ros.reports.recording import recorded
from dmpcrl_ros.reports.summary import fault_lines, summary_table
from dmpcrl_ros.settings import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step
from dmpcrl_ros.simulation.dual_recovery import dual_errors
from dmpcrl_ros.simulation.evaluation import evaluate as evaluate_policy
from dmpcrl_ros.simulation.evaluation import final_parameters

_STEPS_FILE = 'steps.csv'
_DUAL_ITERATIONS = 100


def run_over_ros(settings: Settings, output: Path, console: Console, *, verbose: bool, round_timeout: float) -> None:
    """Start the nodes of the scenario, show their progress, and end them when the recording is complete.

    Raises:
        ProcessDied: a node ended before the run was complete.
    """
    nodes = nodes_of(settings, output=str(output), report_period=0.0, round_timeout=round_timeout)
    os.environ.update(_isolation())
    follower = StepsFollower(output / _STEPS_FILE)
    with RunProgress(console, settings.steps, 'ROS 2') as bar:
        def refresh() -> None:
            for cost, td_error in follower.rows():
                bar.add(cost, td_error)
        if launch_is_installed():
            run_under_launch(nodes, refresh, verbose=verbose)
        else:
            _run_processes(nodes, refresh, bar.progress.console, verbose)


def _run_processes(nodes: list[NodeSpec], refresh: Callable[[], None], console: Console, verbose: bool) -> None:
    with ProcessGroup(nodes) as processes:
        while not processes.ended('monitor'):
            for label, line in processes.output(timeout=0.2):
                if verbose or '[INFO]' not in line:
                    console.print(f'{label}: {line}', markup=False, highlight=False)
            refresh()
        refresh()


def _isolation() -> dict[str, str]:
    """Keep the run on this machine unless the user has said how far ROS 2 is to reach."""
    reach = ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER')
    return {} if any(name in os.environ for name in reach) else {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def run_in_process(settings: Settings, output: Path, console: Console, *, central: bool) -> None:
    """The same run in this process, recorded alike; an interruption keeps what there is."""
    with RunProgress(console, settings.steps, 'centralised' if central else 'in process') as bar:
        for step in recorded(settings, output, central=central):
            bar.add(float(step.costs.sum()), None if np.isnan(step.td_error) else step.td_error)


def untrained(settings: Settings, steps: int, console: Console) -> list[Step]:
    """The controllers as they are before learning, on the same noise; ends early if their loop diverges."""
    settings = replace(settings, learner='none')
    found = []
    with RunProgress(console, steps, 'untrained') as bar:
        try:
            for step in ClosedLoop(settings.network(), settings).run(steps):
                found.append(step)
                bar.add(float(step.costs.sum()), None)
        except ArithmeticError as error:
            console.print(f'untrained controller: {error} (after {len(found)} steps)')
    return found


def tell(output: Path, console: Console, *, baseline: list[Step] | None, figures: bool) -> Run:
    """Print the summary of a recorded run, draw its figures, and say where everything is."""
    run = load_run(output)
    console.print(summary_table(run, baseline))
    for line in fault_lines(run):
        console.print(line)
    if figures:
        for path in save_all(run, output, baseline=baseline):
            console.print(f'figure: {path}')
        if run.settings.controller != 'scenario':  # whose dynamics have many multipliers
            console.print(f'figure: {_draw_dual_error(run, output)}')
    console.print(f'run:    {output}')
    return run


def _draw_dual_error(run: Run, output: Path) -> Path:
    """Fig. 1 of paper 001 for this network: at its initial state and at one that the run came through."""
    network = run.settings.network()
    states = {'initial state': network.initial_state, 'a state of the run': run.states[len(run.states) // 2]}
    errors = {name: dual_errors(network, run.settings, state, _DUAL_ITERATIONS) for name, state in states.items()}
    path = output / 'dual_error.png'
    dual_error(errors).savefig(path, dpi=150)
    return path


def evaluate(run: Run, seeds: Sequence[int], steps: int, console: Console) -> None:
    """Print closed-loop cost and violations of the learned and the untrained parameters, fixed, on the same noise."""
    settings = run.settings
    network = settings.network()
    policies = {'learned': final_parameters(run.parameters, network.agents), 'untrained': None}
    table = Table('policy', 'mean cost', 'std', 'worst', 'steps out of bounds',
                  title=f'{network.name}: {len(seeds)} noise sequences of {steps} steps', title_justify='left')
    for name, thetas in policies.items():
        found = evaluate_policy(network, settings, thetas, seeds, steps)
        costs = np.array([each.cost for each in found])
        table.add_row(name, *(f'{value:.2f}' for value in (costs.mean(), costs.std(), costs.max())),
                      f'{100 * np.mean([each.violated for each in found]):.1f} %')
    console.print(table)
