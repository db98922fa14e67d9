"""Command-line options made from the table of settings."""

from collections.abc import Callable
from typing import Any

import click

from dmpcrl_ros.networks.graph import NetworkError
from dmpcrl_ros.settings import Setting, SettingError, Settings, table


def settings_options(command: Callable) -> Callable:
    """The argument SCENARIO and one option for each setting."""
    for entry in reversed(table(Settings)):
        if entry.name == 'scenario':
            command = click.argument('scenario', default=entry.default)(command)
        else:
            command = _option(entry)(command)
    return command


def _option(entry: Setting) -> Callable:
    flag = entry.name.replace('_', '-')
    unit = f' [{entry.unit}]' if entry.unit else ''
    if isinstance(entry.default, bool):
        return click.option(f'--{flag}/--no-{flag}', entry.name, default=entry.default, show_default=True,
                            help=entry.description + unit)
    kind = click.Choice(entry.choices) if entry.choices else type(entry.default)
    return click.option(f'--{flag}', entry.name, type=kind, default=entry.default, show_default=True,
                        help=entry.description + unit)


def settings_from(options: dict[str, Any]) -> Settings:
    """Settings of the options of a command, which it takes out of them.

    Raises:
        click.UsageError: a value is out of range, or the scenario does not exist or is wrong.
    """
    try:
        settings = Settings(**{entry.name: options.pop(entry.name) for entry in table(Settings)})
        settings.network()
    except (SettingError, NetworkError) as error:
        raise click.UsageError(str(error)) from None
    return settings
