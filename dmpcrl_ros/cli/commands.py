# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The commands with their options."""

import json
import re
import shlex
import sys
from datetime import datetime
from pathlib import Path

import click
import cloup
import yaml
from rich.console import Console

import dmpcrl_ros
from dmpcrl_ros.bringup import nodes_of
from dmpcrl_ros.cli import experiments
from dmpcrl_ros.cli.doctor import examine
from dmpcrl_ros.cli.evaluate import evaluate
from dmpcrl_ros.cli.group import CommandGroup
from dmpcrl_ros.cli.listing import methods, settings_listing, systems
from dmpcrl_ros.cli.options import DeployedCommand, SettingsCommand
from dmpcrl_ros.cli.reproduce import reproduce
from dmpcrl_ros.cli.setting_option import Switch
from dmpcrl_ros.cli.terminal import UserPath, terminal
from dmpcrl_ros.recording.run_directory import check_unused
from dmpcrl_ros.security import policy as security_policy
from dmpcrl_ros.settings.deployment import DeploymentSettings, LearnedSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.linear.chain import VARIANTS, description

_CONTEXT = cloup.Context.settings(
    help_option_names=['-h', '--help'],
    max_content_width=120,
    formatter_settings=cloup.HelpFormatter.settings(col1_max_width=36),
)
_RUN = cloup.Section('Run')
_RESULTS = cloup.Section('Results')
_CHOICES = cloup.Section('Systems, methods and settings')
_INSTALLATION = cloup.Section('Installation')
_output = click.option(
    '--output', type=UserPath(path_type=Path), help='directory of the run  [default: a new one in runs/]'
)
_output_of_monitor = click.option(
    '--output',
    type=click.Path(path_type=Path),  # the monitor knows the home directory of its host
    help='directory in which a monitor records the run, on its host  [default: nothing is recorded]',
)
_recorded = cloup.option_group(
    'Results',
    _output,
    click.option('--figures/--no-figures', cls=Switch, default=True, help='draw the figures at the end'),
    click.option(
        '--baseline/--no-baseline',
        cls=Switch,
        default=True,
        help='compare with the untrained controllers on the same noise',
    ),
)
_DEMO = {'seed': 6}
_DEMO_STEPS = 500


@cloup.group(cls=CommandGroup, context_settings=_CONTEXT)
@click.version_option(dmpcrl_ros.__version__)
def main() -> None:
    """Distributed model predictive controllers that learn, each agent a ROS 2 node."""


@main.command(cls=DeployedCommand, section=_RUN)
@_recorded
@click.option('--respawn', is_flag=True, help='restart an agent that has died, instead of ending the run')
@click.option('--verbose', is_flag=True, help='show the whole log of the nodes, not only warnings')
def run(
    settings: Settings,
    deployment: DeploymentSettings,
    output: Path | None,
    figures: bool,
    baseline: bool,
    respawn: bool,
    verbose: bool,
) -> None:
    """Run a system over ROS 2, one process for each node.

    The options depend on SYSTEM and on --method: give both before --help. `dmpcrl settings` lists their units, ranges
    and consequences.
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


@main.command(cls=SettingsCommand, section=_RUN)
@_recorded
@click.option('--central', is_flag=True, help='train the centralised twin instead of the agents')
def train(
    settings: Settings, learned: LearnedSettings, output: Path | None, figures: bool, baseline: bool, central: bool
) -> None:
    """Run a system in this process, without ROS 2.

    The numbers equal those of `dmpcrl run`. The options depend on SYSTEM and on --method: give both before --help.
    `dmpcrl settings` lists their units, ranges and consequences.
    """
    output, console = _new_output(output, settings), terminal()
    try:
        experiments.run_in_process(settings, learned, output, console, central=central)
    except KeyboardInterrupt:
        _interrupted(output, console)
    _conclude(settings, output, console, figures, baseline)


@main.command(section=_RUN)
@_output
@click.option(
    '--steps', type=click.IntRange(min=100), default=_DEMO_STEPS, show_default=True, help='number of control steps'
)
def demo(output: Path | None, steps: int) -> None:
    """Run an example: three agents learn over ROS 2.

    The system is the chain of mallick2024.
    """
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


@main.command(cls=DeployedCommand, section=_RUN)
@_output_of_monitor
def nodes(settings: Settings, deployment: DeploymentSettings, output: Path | None) -> None:
    """Print the command of each node, to start them by hand.

    Use it for several hosts, or to start a node in a debugger. SYSTEM and the options are those of `dmpcrl run`. Nodes
    that start with different settings refuse to begin.
    """
    for node in nodes_of(settings, deployment, output=str(output or '')):
        click.echo(shlex.join(node.command()))


@main.command(cls=DeployedCommand, section=_RUN)
@_output_of_monitor
def policy(settings: Settings, deployment: DeploymentSettings, output: Path | None) -> None:
    """Print the SROS 2 policy: topics and services of each node.

    `ros2 security generate_artifacts` makes keys and permissions from it. SYSTEM and the options are those of `dmpcrl
    nodes`; --enclave is required.
    """
    click.echo(security_policy(nodes_of(settings, deployment, output=str(output or '')), settings.make_system()))


@main.command(section=_RESULTS)
@click.argument('directory', type=UserPath(path_type=Path, exists=True, file_okay=False))
def plot(directory: Path) -> None:
    """Draw the figures of a recorded run again.

    DIRECTORY is the directory of the run.
    """
    experiments.draw(directory, terminal())


@main.command(section=_CHOICES)
@click.option(
    '--agents', type=click.IntRange(min=1), default=3, show_default=True, help='number of agents of the chain'
)
@click.option(
    '--variant', type=click.Choice(VARIANTS), default=VARIANTS[0], show_default=True, help='published variant'
)
def template(agents: int, variant: str) -> None:
    """Print the chain as a YAML file, a template for your own network."""
    # as JSON and back: YAML would write a shared list as an alias, and editing it would change all its uses
    plain = json.loads(json.dumps(description(agents, variant)))
    click.echo(yaml.safe_dump(plain, sort_keys=False, default_flow_style=None), nl=False)


@main.command(section=_INSTALLATION)
def doctor() -> None:
    """Check the installation, and measure a message round trip."""
    sys.exit(0 if examine(terminal()) else 1)


for section, commands in (_RESULTS, (evaluate, reproduce)), (_CHOICES, (systems, methods, settings_listing)):
    for command in commands:
        main.add_command(command, section=section)


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
    console = terminal()
    try:
        experiments.run_over_ros(settings, deployment, output, console, verbose=verbose, respawn=respawn)
    except KeyboardInterrupt:
        _interrupted(output, console)
    _conclude(settings, output, console, figures, baseline and not deployment.bridge)


def _interrupted(output: Path, console: Console) -> None:
    """Exit after an interruption; all processes have ended, and recorded steps remain."""
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
