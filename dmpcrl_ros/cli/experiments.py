"""The experiments behind the commands: a run over ROS 2 nodes, a run in one process, and what is told about them."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from dmpcrl_ros.bringup import NodeSpec, check_domain, isolation, nodes_of
from dmpcrl_ros.cli.launched import launch_is_installed, run_under_launch
from dmpcrl_ros.cli.processes import ProcessGroup
from dmpcrl_ros.cli.progress import RunProgress, StepsFollower
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.recording.figures import dual_error, save_all
from dmpcrl_ros.recording.plot_style import save
from dmpcrl_ros.recording.recorded_loop import recorded
from dmpcrl_ros.recording.recorded_run import (
    Run,
    RunDirectoryError,
    load_dual_errors,
    load_run,
    load_untrained,
)
from dmpcrl_ros.recording.run_directory import UntrainedWriter, record_dual_errors
from dmpcrl_ros.recording.summary import fault_lines, summary_table
from dmpcrl_ros.reproductions.mallick2024_chain import dual_errors_of
from dmpcrl_ros.settings.nodes import RunSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step

_STEPS_FILE = 'steps.csv'


def run_over_ros(settings: RunSettings, output: Path, console: Console, *, verbose: bool, respawn: bool) -> None:
    """Start the nodes of the scenario, show their progress, and end them when the recording is complete.

    Args:
        verbose: show everything they say. respawn: start an agent again that has died.

    Raises:
        ProcessDied: a node ended before the run was complete.
        SettingError: ROS_DOMAIN_ID is no domain.
    """
    check_domain()
    nodes = nodes_of(settings, output=str(output), report_period=0.0)
    if respawn:
        nodes = [replace(node, respawn=node.executable == 'dmpcrl_agent') for node in nodes]
    os.environ.update(isolation())
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
        ended = False
        while not ended:
            ended = processes.ended('monitor')  # what the others have to say of the end is still heard
            for label, line in processes.output(timeout=0.2):
                if verbose or '[INFO]' not in line:
                    console.print(f'{label}: {line}', markup=False, highlight=False)
            refresh()


def run_in_process(settings: Settings, output: Path, console: Console, *, central: bool) -> None:
    """The same run in this process, recorded alike; an interruption keeps what there is."""
    with RunProgress(console, settings.steps, 'centralised' if central else 'in process') as bar:
        for step in recorded(settings, output, central=central):
            bar.add(float(step.costs.sum()), None if np.isnan(step.td_error) else step.td_error)


def untrained(settings: Settings, steps: int, console: Console, output: Path | None = None) -> list[Step]:
    """The controllers as they are before learning, on the same noise; ends early if their loop diverges.

    Args:
        output: directory of the run beside which they are recorded; None does not record them.
    """
    settings, found = replace(settings, learner='none'), []
    network = settings.network()
    with UntrainedWriter(output, network) if output else nullcontext() as writer, \
            RunProgress(console, steps, 'untrained') as bar:
        try:
            for step in ClosedLoop(network, settings).run(steps):
                found.append(step)
                if writer:
                    writer.record(step)
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
        draw(output, console, baseline)
    console.print(f'run:    {output}')
    return run


def draw(output: Path, console: Console, baseline: list[Step] | None = None) -> None:
    """Draw all figures of a recorded run and say where they are.

    Args:
        baseline: the untrained controllers on the same noise; None takes what is recorded of them, if anything is.

    Raises:
        RunDirectoryError: no run is there, it is damaged, or there is nothing to be drawn.
    """
    run = load_run(output)
    if not run.steps.size:
        raise RunDirectoryError(f'the run in {output} has no recorded step: there is nothing to draw')
    untrained_run = load_untrained(run, output) if baseline is None else baseline
    for path in save_all(run, output, baseline=untrained_run):
        console.print(f'figure: {path}', soft_wrap=True)
    if run.settings.controller == 'scenario':  # its dynamics have the multipliers of every scenario
        return
    try:
        errors = load_dual_errors(output)
        if not errors:
            errors = dual_errors_of(run)
            record_dual_errors(output, errors)
    except NetworkError as error:  # the figures above need no network: its file may be gone
        console.print(f'dual_error.png cannot be drawn: {error}')
        return
    for path in save({'dual_error': dual_error(errors)}, output):
        console.print(f'figure: {path}', soft_wrap=True)
