# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Registries that other packages can extend: systems and methods."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any


class RegistryError(ValueError):
    """A name is not registered, or its object cannot be loaded; the message lists the names or gives the reason."""


class Registry:
    """Objects by their names: those of this package, and those that installed packages declare as entry points.

    Args:
        kind: of the objects, for error texts, such as 'system'.
        group: of the entry points of other packages.
        built_in: place ('module:attribute') of each object of this package.
        attributes: names of what every object must have.
    """

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str], attributes: Sequence[str] = ()):
        self._kind = kind
        self._attributes = tuple(attributes)
        self._group = group
        self._built_in = dict(built_in)
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """The object of this name.

        Raises:
            RegistryError: the name is not registered, or the package that declares it cannot be imported.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def names(self) -> tuple[str, ...]:
        """Names of all objects, those of this package first."""
        return (*self._built_in, *sorted(set(self._declared()) - set(self._built_in)))

    def _load(self, name: str) -> Any:
        if name in self._built_in:
            module, attribute = self._built_in[name].split(':')
            return getattr(import_module(module), attribute)
        if (found := self._declared().get(name)) is None:
            raise RegistryError(f'there is no {self._kind} {name!r}; there are {", ".join(self.names())}')
        try:
            return self._checked(found.load())
        except Exception as error:  # the module of another package may raise anything
            raise RegistryError(f'{self._kind} {name!r} cannot be loaded from {found.value}: {error}') from error

    def _checked(self, loaded: Any) -> Any:
        if missing := [attribute for attribute in self._attributes if not hasattr(loaded, attribute)]:
            raise AttributeError(f'it has no {", no ".join(missing)}')
        return loaded

    def _declared(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self._group)}
