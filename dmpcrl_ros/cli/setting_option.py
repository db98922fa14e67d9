# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Command-line options of settings, and switches."""

from typing import Any

import click
import cloup
from click.shell_completion import CompletionItem

from dmpcrl_ros.core.settings import Setting, SettingError
from dmpcrl_ros.methods.registry import METHODS

_KINDS = {int: 'INTEGER', float: 'FLOAT', str: 'TEXT', tuple: 'NAME,...'}


class Switch(cloup.Option):
    """Option --name/--no-name, which the help shows as --[no-]name."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The option, its effect, and its default."""
        return f'--[no-]{self.opts[0].removeprefix("--")}', f'{self.help}  [default: {"on" if self.default else "off"}]'


class SettingOption(cloup.Option):
    """Option of one setting; its value is that of a file, such as the word 'auto'.

    Args:
        entry: the setting.
        group: heading of the option in the help.
    """

    def __init__(self, entry: Setting, group: cloup.OptionGroup | None = None):
        self.entry, self._flag = entry, entry.name.replace('_', '-')
        names = [f'--{self._flag}', entry.name.replace('.', '__')]
        details: dict[str, Any] = {'default': entry.plain(entry.default), 'group': group}
        if entry.kind is bool:
            names[0] += f'/--no-{self._flag}'
        else:
            details['type'] = _SettingType(entry)
        if entry.kind is tuple:
            details['default'] = spelled(entry, entry.default)
        super().__init__(names, **details)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The option, and its description in one line with unit and default."""
        entry, default = self.entry, spelled(self.entry, self.entry.default)
        shown = f'--[no-]{self._flag}' if entry.kind is bool else f'--{self._flag} {_metavar(entry)}'
        facts = '; '.join(filter(None, [entry.unit, f'default: {default}' if default else '']))
        return shown, entry.summary + (f'  [{facts}]' if facts else '')


class _SettingType(click.ParamType):
    """Values of a setting."""

    def __init__(self, entry: Setting):
        self.name, self._entry = entry.kind.__name__, entry

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Value of a text, as in files."""
        if not isinstance(value, str):
            return value
        try:
            return self._entry.plain(self._entry.parse(value))
        except SettingError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Words of the setting that begin with the incomplete one."""
        return [CompletionItem(word) for word in _words(self._entry) if word.startswith(incomplete)]


def spelled(entry: Setting, value: Any) -> str:
    """Value as text for help and listings."""
    plain = entry.plain(value)
    if entry.kind is bool:
        return 'on' if plain else 'off'
    if entry.kind is tuple:
        return ','.join(plain)
    return f'{plain:g}' if isinstance(plain, float) else str(plain)


def _words(entry: Setting) -> tuple[str, ...]:
    """Values that are words."""
    choices = METHODS.names() if entry.name == 'method' else entry.choices
    return (*choices, entry.absent) if entry.absent else choices


def _metavar(entry: Setting) -> str:
    words = _words(entry)
    return f'[{"|".join(words)}]' if entry.choices or entry.name == 'method' else '|'.join((_KINDS[entry.kind], *words))
