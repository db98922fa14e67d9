# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`dmpcrl methods`, `systems` and `settings`: the choices of this package and of installed ones."""

from collections.abc import Sequence

import click
import cloup
from rich import box
from rich.table import Table
from rich.text import Text

from dmpcrl_ros.cli.options import method_option, setting_groups, system_argument
from dmpcrl_ros.cli.setting_option import spelled
from dmpcrl_ros.cli.terminal import terminal
from dmpcrl_ros.core.registry import Registry, RegistryError
from dmpcrl_ros.core.settings import Setting
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.systems.registry import SYSTEMS


@cloup.command()
def methods() -> None:
    """List the methods by which agents act and learn.

    `dmpcrl settings --method NAME` lists the settings of a method.
    """
    _print(METHODS, 'method')


@cloup.command()
def systems() -> None:
    """List the systems.

    A system can also be the path of a YAML file. `dmpcrl settings NAME` lists the settings of a system.
    """
    _print(SYSTEMS, 'system')


@cloup.command('settings', params=[system_argument(), method_option()])
def settings_listing(system: str, method: str) -> None:
    """List the settings with their defaults, units and ranges.

    For example, the setting `learning.step_limit` is the option --learning.step-limit of `dmpcrl run`, the argument
    learning.step_limit:=0.1 of a launch file, and the parameter learning.step_limit of the nodes.
    """
    try:
        groups = setting_groups(system, method, deployed=True)
    except RegistryError as error:
        raise click.UsageError(str(error)) from None
    width = max(len(entry.name) for entries in groups.values() for entry in entries)
    for heading, entries in groups.items():
        terminal().print(_settings_table(heading, entries, width))


def _settings_table(heading: str, entries: Sequence[Setting], width: int) -> Table:
    """Table of the settings below a heading, with this width of the column of names."""
    listed = Table(title=heading, title_justify='left', box=box.SIMPLE, pad_edge=False, show_header=False, expand=True)
    listed.add_column(width=width)
    listed.add_column(ratio=1)
    listed.add_column(ratio=2)
    for entry in entries:
        default = spelled(entry, entry.default)
        values = entry.allowed + (f'\ndefault: {default}' if default else '')
        listed.add_row(entry.name, values, entry.description)
    return listed


def _print(registry: Registry, kind: str) -> None:
    table = Table(kind, 'what it is', box=box.SIMPLE_HEAD, pad_edge=False)
    for name in registry.names():
        table.add_row(name, _title(registry, name))
    terminal().print(table)


def _title(registry: Registry, name: str) -> str | Text:
    try:
        return registry[name].title
    except RegistryError as error:
        return Text(str(error), style='red')
