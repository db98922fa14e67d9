"""The commands with their options, and the texts of their errors."""

import json
import os
import re
import shlex
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console

import dmpcrl_ros
from dmpcrl_ros.bringup import nodes_of
from dmpcrl_ros.cli import experiments
from dmpcrl_ros.cli.doctor import examine
from dmpcrl_ros.cli.listing import methods, systems
from dmpcrl_ros.cli.options import DeployedCommand, SettingsCommand
from dmpcrl_ros.cli.processes import ProcessDied
from dmpcrl_ros.cli.reproduce import reproduce
from dmpcrl_ros.cli.suites import print_table, run_suite
from dmpcrl_ros.core.exchange import ProgramError
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.process import ENDING
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.experiments.evaluation import Candidate, evaluation_jobs, score_table, scores_of
from dmpcrl_ros.experiments.suite import ExperimentSuite
from dmpcrl_ros.recording.recorded_loop import Policy
from dmpcrl_ros.recording.recorded_run import load_run
from dmpcrl_ros.recording.run_directory import check_unused
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.settings.nodes import DeploymentSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.linear.chain import VARIANTS, description

_output = click.option(
    '--output',
    type=click.Path(path_type=Path),
    default=None,
    help='directory of the run; default: a new one under runs/',
)
_figures = click.option('--figures/--no-figures', default=True, show_default=True, help='draw figures at the end')
_baseline = click.option(
    '--baseline/--no-baseline',
    default=True,
    show_default=True,
    help='compare with the untrained controller on the same noise',
)
_DEMO = {'seed': 6, 'admm__tolerance': 1e-3}  # stopping on residuals saves half of the rounds of 50 iterations
_DEMO_STEPS = 500


class _Group(click.Group):
    """Turns the errors that a user can correct into one line and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except RunDirectoryError as error:
            raise click.ClickException(str(error)) from None
        except ProcessDied as error:
            raise click.ClickException(f'the run has ended early: {error}') from None
        except (ArithmeticError, NetworkError, OSError, ProgramError, RegistryError, SettingError) as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Group, context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 110})
@click.version_option(dmpcrl_ros.__version__)
def main() -> None:
    """Distributed model predictive controllers that learn, each agent a ROS 2 node."""
    _handle_signals()


@main.command(cls=DeployedCommand)
@_output
@_figures
@_baseline
@click.option('--respawn', is_flag=True, help='start an agent again that has died, instead of ending the run')
@click.option('--verbose', is_flag=True, help='show everything the nodes say')
def run(
    settings: Settings,
    deployment: DeploymentSettings,
    output: Path | None,
    figures: bool,
    baseline: bool,
    respawn: bool,
    verbose: bool,
) -> None:
    """Learn over ROS 2: nodes for the agents, the plant and the monitor.

    SYSTEM is one that `dmpcrl systems` lists, or the path of a YAML file. Further options depend on it and on --method:
    name both before --help.
    """
    _run(
        settings,
        deployment,
        _new_output(output, settings),
        figures=figures,
        baseline=baseline,
        respawn=respawn,
        verbose=verbose,
    )


@main.command(cls=DeployedCommand)
@click.option(
    '--output',
    type=click.Path(path_type=Path),
    default=None,
    help='directory in which a monitor records the run, on its host; without it there is none',
)
def nodes(settings: Settings, deployment: DeploymentSettings, output: Path | None) -> None:
    """Print the command of each node of a run, to be started by hand: on several hosts, one in a debugger, ...

    SYSTEM and options are those of `dmpcrl run`. Nodes that were started with other settings refuse to begin.
    """
    for node in nodes_of(settings, deployment, output=str(output or '')):
        click.echo(shlex.join(node.command()))


@main.command(cls=SettingsCommand)
@_output
@_figures
@_baseline
@click.option('--central', is_flag=True, help='train the centralised twin instead of the agents')
def train(settings: Settings, output: Path | None, figures: bool, baseline: bool, central: bool) -> None:
    """Learn in this process, without ROS: the same numbers, as fast as the machine allows.

    SYSTEM is one that `dmpcrl systems` lists, or the path of a YAML file. Further options depend on it and on --method:
    name both before --help.
    """
    output, console = _new_output(output, settings), Console()
    try:
        experiments.run_in_process(settings, output, console, central=central)
    except KeyboardInterrupt:
        _interrupted(output, console)
    _conclude(settings, output, console, figures, baseline)


@main.command()
@click.argument('directory', type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    '--seeds', type=click.IntRange(min=1), default=10, show_default=True, help='noise sequences, from --first-seed on'
)
@click.option('--first-seed', type=click.IntRange(min=0), default=1001, show_default=True)
@click.option(
    '--steps', type=click.IntRange(min=1), default=None, help='control steps of each; default: an episode, or 100'
)
@click.option(
    '--jobs',
    type=click.IntRange(min=1),
    default=len(os.sched_getaffinity(0)),
    show_default='all cores',
    help='runs at the same time',
)
def evaluate(directory: Path, seeds: int, first_seed: int, steps: int | None, jobs: int) -> None:
    """Compare the learned parameters of the run in DIRECTORY with the untrained ones, fixed, on the same noise.

    The runs are recorded in a folder beside it; complete ones are not repeated.
    """
    console, run = Console(), load_run(directory)
    system, policy = run.settings.make_system(), Policy(directory)
    policy.thetas(system.names)  # that there are any, before anything is run
    if not run.updates:
        raise RunDirectoryError(f'{directory} is a run that has learned nothing: no parameter was updated')
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


@main.command()
@click.argument('directory', type=click.Path(path_type=Path, exists=True, file_okay=False))
def plot(directory: Path) -> None:
    """Draw the figures of the run in DIRECTORY again."""
    experiments.draw(directory, Console())


@main.command()
def doctor() -> None:
    """List the installed and the missing packages, and measure a message round trip."""
    sys.exit(0 if examine(Console()) else 1)


@main.command()
@_output
@click.option('--steps', type=click.IntRange(min=100), default=_DEMO_STEPS, show_default=True)
def demo(output: Path | None, steps: int) -> None:
    """The chain of paper 001 learns over ROS 2, three agents, a plant and a monitor."""
    settings = Settings(steps=steps, **_DEMO)
    _run(
        settings,
        DeploymentSettings(),
        _new_output(output, settings),
        figures=True,
        baseline=True,
        respawn=False,
        verbose=False,
    )


@main.command()
@click.option('--agents', type=click.IntRange(min=1), default=3, show_default=True)
@click.option('--variant', type=click.Choice(VARIANTS), default=VARIANTS[0], show_default=True)
def template(agents: int, variant: str) -> None:
    """Print the chain as a YAML network: a start for a network of one's own."""
    # as JSON and back: a list that Python has once would be an alias in YAML, and editing one would change the other
    plain = json.loads(json.dumps(description(agents, variant)))
    click.echo(yaml.safe_dump(plain, sort_keys=False, default_flow_style=None), nl=False)


for command in (methods, systems, reproduce):
    main.add_command(command)


def _run(
    settings: Settings,
    deployment: DeploymentSettings,
    output: Path,
    *,
    figures: bool,
    baseline: bool,
    respawn: bool,
    verbose: bool,
) -> None:
    console = Console()
    try:
        experiments.run_over_ros(settings, deployment, output, console, verbose=verbose, respawn=respawn)
    except KeyboardInterrupt:
        _interrupted(output, console)
    _conclude(settings, output, console, figures, baseline and not deployment.bridge)


def _handle_signals() -> None:
    """End on all ending signals as on Ctrl-C, unless the launcher has this process ignore them."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _interrupted(output: Path, console: Console) -> None:
    """End after an interruption: all processes are gone by now, and what was recorded stays."""
    kept = f'what was recorded so far is in {output}' if output.exists() else 'nothing was recorded yet'
    console.print(f'\ninterrupted; {kept}')
    sys.exit(130)


def _conclude(settings: Settings, output: Path, console: Console, figures: bool, baseline: bool) -> None:
    untrained = None
    if baseline and experiments.has_learned(settings, output):
        untrained = experiments.untrained(settings, console, output)
    experiments.print_summary(output, console, baseline=untrained, figures=figures)


def _new_output(output: Path | None, settings: Settings) -> Path:
    name = re.sub(r'[^\w.-]+', '_', f'{settings.make_system().name}-{settings.method}')
    output = output or Path('runs', f'{name}-{datetime.now():%Y%m%d-%H%M%S}')
    check_unused(output)
    return output
