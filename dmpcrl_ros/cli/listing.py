"""`dmpcrl methods` and `dmpcrl systems`: the registered methods and systems, of this package and of others."""

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dmpcrl_ros.core.registry import Registry, RegistryError
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.systems.registry import SYSTEMS


@click.command()
def methods() -> None:
    """List the methods: how agents can act and learn.

    `dmpcrl train --method NAME --help` shows the settings of one.
    """
    _print(METHODS, 'method')


@click.command()
def systems() -> None:
    """List the systems that can be controlled.

    A system can also be the path of a YAML file. `dmpcrl train NAME --help` shows the settings of one.
    """
    _print(SYSTEMS, 'system')


def _print(registry: Registry, kind: str) -> None:
    table = Table(kind, 'what it is', box=box.SIMPLE_HEAD, pad_edge=False)
    for name in registry.names():
        table.add_row(escape(name), _title(registry, name))
    Console().print(table)


def _title(registry: Registry, name: str) -> str:
    try:
        return escape(registry[name].title)
    except RegistryError as error:
        return f'[red]{escape(str(error))}[/]'
