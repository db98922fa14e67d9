# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Registry of the systems. Other packages add theirs by an entry point in the group `dmpcrl_ros.systems`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dmpcrl_ros.core.registry import Registry, RegistryError
from dmpcrl_ros.core.settings import NoSettings
from dmpcrl_ros.systems.files import load_system
from dmpcrl_ros.systems.system import System


class SystemSource(Protocol):
    """Makes a system from its settings."""

    @property
    def name(self) -> str:
        """Registered name."""

    @property
    def title(self) -> str:
        """Description in one line."""

    @property
    def settings(self) -> type:
        """Class of its settings (core.settings); their names begin with that of the system, such as `chain.agents`."""

    def make(self, settings: Any) -> System:
        """The system.

        Raises:
            NetworkError: the settings do not describe a system.
        """


@dataclass(frozen=True)
class SystemFile:
    """A YAML file as the source of a system."""

    name: str
    title = 'system of a YAML file'
    settings = NoSettings

    def make(self, settings: NoSettings) -> System:
        """System that the file describes."""
        return load_system(self.name)


SYSTEMS = Registry(
    'system',
    'dmpcrl_ros.systems',
    {
        'chain': 'dmpcrl_ros.systems.linear.chain:CHAIN',
        'power_grid': 'dmpcrl_ros.systems.power_grid.four_areas:FOUR_AREAS',
    },
    ('name', 'title', 'settings', 'make'),
)


def system_source(name: str) -> SystemSource:
    """Source of a system by its registered name or the path of a YAML file.

    Raises:
        RegistryError: there is no such system.
    """
    if Path(name).suffix in ('.yaml', '.yml'):
        return SystemFile(os.path.expanduser(name))
    try:
        return SYSTEMS[name]
    except RegistryError as error:
        raise RegistryError(f'{error}; a file must end in .yaml') from None
