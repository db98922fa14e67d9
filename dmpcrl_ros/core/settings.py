# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings as dataclasses.

One declaration defines the command-line options, the launch arguments and the ROS parameters.

A settings class is a frozen dataclass whose fields are made with `setting` or, for a group of settings with a common
prefix, with `group`. Outside of Python every setting has one name, such as `admm.iterations`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = TypeVar('Kind', bound='DataclassInstance')
# Types of values that settings of each kind accept, NumPy's included, and their names in error texts.
_ACCEPTED: dict[type, Any] = {bool: bool, int: Integral, float: Real, str: str, tuple: (list, tuple)}
_SPOKEN = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a text', tuple: 'a list of names'}


class SettingError(ValueError):
    """A value does not fit its setting, or a setting is unknown; the message names both."""


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """Settings of a system or method that has none."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Description of one setting.

    Args:
        name: with the prefixes of its groups, such as 'admm.iterations'.
        default: its value unless another is given.
        description: what it is; after a semicolon the consequences of its values.
        kind: type of its values: str, int, float, bool, or tuple for names in a list.
        unit: of a number.
        minimum: smallest number, itself included.
        maximum: largest number, itself included.
        choices: possible texts; empty for any.
        absent: word that stands for None, such as 'auto' or 'never'; empty if None is not allowed.
        live: whether it can be changed while a node runs.
    """

    name: str
    default: Any
    description: str
    kind: type
    unit: str = ''
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    absent: str = ''
    live: bool = False

    @property
    def summary(self) -> str:
        """First part of the description, up to its first semicolon."""
        return self.description.partition(';')[0]

    @property
    def allowed(self) -> str:
        """Allowed values in words, such as 'from 1 to 60 s, or never'."""
        if self.choices:
            return f'one of {", ".join(self.choices)}'
        spelled = str if self.kind is int else '{:g}'.format
        if self.minimum is None:
            values = _SPOKEN[self.kind]
        elif self.maximum is None:
            values = f'at least {spelled(self.minimum)}'
        else:
            values = f'from {spelled(self.minimum)} to {spelled(self.maximum)}'
        return values + (f' {self.unit}' if self.unit else '') + (f', or {self.absent}' if self.absent else '')

    def check(self, value: Any) -> Any:
        """Value in the type of this setting: None for the word that stands for it, a float for a whole number.

        Raises:
            SettingError: the value is of the wrong type or out of range.
        """
        if self.absent and (value is None or value == self.absent):
            return None
        checked = self._typed(value)
        low, high = self.minimum, self.maximum
        inside = (low is None or checked >= low) and (high is None or checked <= high)
        if not inside or (self.choices and checked not in self.choices):
            raise SettingError(f'{self.name} must be {self.allowed}, not {value!r}')
        return checked

    def _typed(self, value: Any) -> Any:
        accepted = _ACCEPTED[self.kind]
        fits = isinstance(value, accepted) and (self.kind is bool or not isinstance(value, bool))
        if self.kind is tuple:
            fits = fits and all(isinstance(part, str) for part in value)
        if not fits:
            self._refuse(value)
        return self.kind(value)

    def _refuse(self, value: Any) -> None:
        word = f' or {self.absent}' if self.absent else ''
        raise SettingError(f'{self.name} must be {_SPOKEN[self.kind]}{word}, not {value!r}')

    def parse(self, text: str) -> Any:
        """Value of a text from a command line.

        Raises:
            SettingError: the text is not a value of this setting.
        """
        if self.absent and text == self.absent:
            return None
        if self.kind is bool:
            return self.check({'true': True, 'false': False}.get(text.lower(), text))
        if self.kind is tuple:
            return tuple(part.strip() for part in text.split(',') if part.strip())
        try:
            value = self.kind(text)
        except ValueError:
            self._refuse(text)
        return self.check(value)

    def plain(self, value: Any) -> Any:
        """Value for files and ROS parameters: the word for None, a list for a tuple."""
        if value is None:
            return self.absent
        return list(value) if self.kind is tuple else value


def setting(default: Any, description: str, **details: Any) -> Any:
    """Field of a settings class.

    Args:
        default: of the setting.
        description: of the setting.
        details: further fields of Setting; `kind` is that of the default unless given.
    """
    details.setdefault('kind', type(default))
    return field(default=default, metadata={'setting': {'description': description, **details}})


def group(kind: type) -> Any:
    """Field of a settings class that holds settings of their own, whose names begin with that of the field."""
    return field(default_factory=kind, metadata={'group': kind})


def table(kind: type, prefix: str = '') -> list[Setting]:
    """All settings of a settings class in their order, those of its groups included."""
    found = []
    for entry in fields(kind):
        if 'group' in entry.metadata:
            found += table(entry.metadata['group'], f'{prefix}{entry.name}.')
        else:
            default = None if entry.default is MISSING else entry.default
            found.append(Setting(name=prefix + entry.name, default=default, **entry.metadata['setting']))
    return found


def build(kind: type[Kind], values: Mapping[str, Any], prefix: str = '') -> Kind:
    """Settings of the values by their names; defaults for those missing. Other names in `values` are ignored.

    Raises:
        SettingError: a value is of the wrong type or out of range.
    """
    entries = {entry.name: entry for entry in table(kind, prefix)}
    arguments = {}
    for each in fields(kind):
        name = prefix + each.name
        if 'group' in each.metadata:
            arguments[each.name] = build(each.metadata['group'], values, f'{name}.')
        elif name in values:
            arguments[each.name] = entries[name].check(values[name])
    return kind(**arguments)


def flat(settings: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """(name, value) of all settings of an object, those of its groups included."""
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if 'group' in entry.metadata:
            yield from flat(value, f'{prefix}{entry.name}.')
        else:
            yield prefix + entry.name, value


def dotted(names: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their names, with a dot for the two underscores of a Python name such as admm__iterations."""
    return {name.replace('__', '.'): value for name, value in names.items()}
