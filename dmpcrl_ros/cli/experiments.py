# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Functions behind the commands: a run over ROS 2 nodes, a run in one process, and their reports."""

import os
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
from rich.console import Console

from dmpcrl_ros.bringup import NodeSpec, check_domain, isolation, nodes_of, respawning
from dmpcrl_ros.cli.launched import launch_is_installed, run_under_launch
from dmpcrl_ros.cli.processes import ProcessGroup
from dmpcrl_ros.cli.progress import RunProgress, StepsFollower
from dmpcrl_ros.cli.terminal import ConsoleLog
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.experiments.dual_recovery import dual_errors_of
from dmpcrl_ros.recording.figures import dual_error, save_all
from dmpcrl_ros.recording.plot_style import save
from dmpcrl_ros.recording.recorded_loop import recorded
from dmpcrl_ros.recording.recorded_run import Run
from dmpcrl_ros.recording.run_directory import UntrainedWriter, record_dual_errors
from dmpcrl_ros.recording.run_files import STEPS, RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_dual_errors, load_run, load_untrained
from dmpcrl_ros.recording.summary import fault_lines, summary_table
from dmpcrl_ros.settings.deployment import DeploymentSettings, LearnedSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step


def run_over_ros(
    settings: Settings, deployment: DeploymentSettings, output: Path, console: Console, *, verbose: bool, respawn: bool
) -> None:
    """Start the nodes of a system, show their progress, and end them when the recording is complete.

    Args:
        settings: of the run.
        deployment: how it runs over ROS 2.
        output: directory of the run.
        console: where to show the progress.
        verbose: whether to show the whole output of the nodes.
        respawn: whether to restart an agent that has died.

    Raises:
        ProcessDied: a node ended before the run was complete.
        SettingError: ROS_DOMAIN_ID is not a domain.
    """
    check_domain()
    nodes = nodes_of(settings, deployment, output=str(output), report_period=None)
    if respawn:
        nodes = respawning(nodes)
    os.environ.update(isolation())
    metrics = settings.make_method().metrics
    follower = StepsFollower(output / STEPS, metrics)
    with RunProgress(console, settings.steps, 'ROS 2', metrics) as bar:

        def refresh() -> None:
            for cost, values in follower.rows():
                bar.add(cost, values)

        if launch_is_installed():
            run_under_launch(nodes, refresh, verbose=verbose)
        else:
            _run_processes(nodes, refresh, bar.progress.console, verbose)


def _run_processes(nodes: list[NodeSpec], refresh: Callable[[], None], console: Console, verbose: bool) -> None:
    with ProcessGroup(nodes) as processes:
        ended = False
        while not ended:
            ended = processes.ended('monitor')  # the last output of the others is still shown
            for label, line in processes.output(timeout=0.2):
                if verbose or '[INFO]' not in line:
                    console.print(f'{label}: {line}', highlight=False)
            refresh()


def run_in_process(
    settings: Settings, learned: LearnedSettings, output: Path, console: Console, *, central: bool
) -> None:
    """Run and record in this process, with the numbers of a run over ROS 2.

    Recorded steps and checkpoints survive an interruption.
    """
    title = 'centralised' if central else 'in process'
    with (
        RunProgress(console, settings.steps, title, settings.make_method().metrics) as bar,
        closing(recorded(settings, output, central=central, learned=learned, log=ConsoleLog(console))) as steps,
    ):
        for step in steps:
            bar.add(float(step.costs.sum()), step.metrics)


def untrained(settings: Settings, console: Console, output: Path | None = None) -> list[Step]:
    """Steps of the controllers before learning, on the same noise; fewer if their loop diverges.

    Args:
        settings: of the run.
        console: where to show the progress.
        output: directory of the run, in which they are recorded; None records nothing.
    """
    settings, found = settings.but(learn=False), []
    system = settings.make_system()
    with (
        UntrainedWriter(output, system, settings) if output else nullcontext() as writer,
        RunProgress(console, settings.steps, 'untrained') as bar,
    ):
        try:
            for step in ClosedLoop(system, settings).run(settings.steps):
                found.append(step)
                if writer:
                    writer.record(step)
                bar.add(float(step.costs.sum()), {})
        except ArithmeticError as error:
            console.print(f'untrained controller: {error} (after {len(found)} steps)')
    return found


def has_learned(settings: Settings, output: Path) -> bool:
    """Whether the agents of a recorded run have updated their parameters."""
    return settings.learn and load_run(output).updates > 0


def print_summary(output: Path, console: Console, *, baseline: list[Step] | None, figures: bool) -> Run:
    """Print the summary of a recorded run, draw its figures, and print the paths of all files."""
    run = load_run(output)
    console.print(summary_table(run, baseline))
    for line in fault_lines(run):
        console.print(line)
    if figures:
        draw(output, console, baseline)
    console.print(f'run:    {output}', soft_wrap=True)
    return run


def draw(output: Path, console: Console, baseline: list[Step] | None = None) -> None:
    """Draw all figures of a recorded run and print their paths.

    Args:
        output: directory of the run.
        console: for the paths.
        baseline: the untrained controllers on the same noise; None uses the recorded ones, if there are any.

    Raises:
        RunDirectoryError: there is no run, it is damaged, or it has no steps.
    """
    run = load_run(output)
    if not run.steps.size:
        raise RunDirectoryError(f'the run in {output} has no recorded steps to draw')
    untrained_run = load_untrained(run, output) if baseline is None else baseline
    _say(save_all(run, output, baseline=untrained_run), console)
    if errors := _dual_errors(run, output, console):
        _say(save({'dual_error': dual_error(errors)}, output), console)


def _dual_errors(run: Run, output: Path, console: Console) -> dict[str, np.ndarray] | None:
    """Errors of the multipliers, as recorded or, without a record, computed and recorded.

    None if agents have no such multipliers, or their system can no longer be read.
    """
    if errors := load_dual_errors(output):
        return errors
    try:
        errors = dual_errors_of(run)
    except (NetworkError, RunDirectoryError) as error:
        console.print(f'dual_error.png cannot be drawn: {error}')
        return None
    if errors:
        record_dual_errors(output, errors)
    return errors


def _say(paths: Sequence[Path], console: Console) -> None:
    for path in paths:
        console.print(f'figure: {path}', soft_wrap=True)
