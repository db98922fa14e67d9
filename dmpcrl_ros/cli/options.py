"""Command-line options made from the table of settings."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.settings.run import Setting, SettingError, Settings, table

Kind = TypeVar('Kind', bound=Settings)


def settings_options(kind: type[Settings]) -> Callable:
    """The argument SCENARIO and one option for each setting."""
    def decorate(command: Callable) -> Callable:
        for entry in reversed(table(kind)):
            if entry.name == 'scenario':
                command = click.argument('scenario', default=entry.default)(command)
            else:
                command = _option(entry)(command)
        return command
    return decorate


def _option(entry: Setting) -> Callable:
    flag = entry.name.replace('_', '-')
    unit = f' [{entry.unit}]' if entry.unit else ''
    if isinstance(entry.default, bool):
        return click.option(f'--{flag}/--no-{flag}', entry.name, default=entry.default, show_default=True,
                            help=entry.description + unit)
    kind = click.Choice(entry.choices) if entry.choices else type(entry.default)
    return click.option(f'--{flag}', entry.name, type=kind, default=entry.default, show_default=True,
                        help=entry.description + unit)


def settings_from(options: dict[str, Any], kind: type[Kind]) -> Kind:
    """Settings of the options of a command, which it takes out of them.

    Raises:
        click.UsageError: a value is out of range, or the scenario does not exist or is wrong.
    """
    try:
        settings = kind(**{entry.name: options.pop(entry.name) for entry in table(kind)})
        settings.network()
    except (SettingError, NetworkError) as error:
        raise click.UsageError(str(error)) from None
    return settings
