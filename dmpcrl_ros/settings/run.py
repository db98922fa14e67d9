# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings of a run: the system, the method, and everything else that determines its numbers."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dmpcrl_ros.core.agent import Agent
from dmpcrl_ros.core.names import hint
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import Setting, SettingError, build, dotted, flat, setting, table
from dmpcrl_ros.methods.method import Method
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.settings.deployment import DeploymentSettings, LaunchSettings
from dmpcrl_ros.settings.nodes import node_setting_names
from dmpcrl_ros.systems.registry import SYSTEMS, SystemSource, system_source
from dmpcrl_ros.systems.system import System, check_agent_names


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """Settings of every run."""

    system: str = setting('chain', 'name of a system, or path of a YAML file that describes one')
    method: str = setting('q_learning', 'method by which the agents act and learn')
    seed: int = setting(1, 'seed of all random numbers; the same seed gives the same run', minimum=0, maximum=2**31 - 1)
    steps: int = setting(1000, 'number of control steps', minimum=1, maximum=10**7)
    learn: bool = setting(True, 'whether the agents learn; otherwise they act with their present parameters')


@dataclass(frozen=True, init=False, repr=False)
class Settings:
    """All settings that determine the numbers of a run: the common ones, those of the system and of the method.

    In Python two underscores replace the dot of a name: Settings(seed=2, chain__agents=4, learning__rate=1e-5).

    Args:
        values: by their names; defaults for those missing.

    Raises:
        SettingError: a setting is unknown, or a value is of the wrong type or out of range.
        RegistryError: there is no such system or method.
    """

    common: CommonSettings
    of_system: Any
    of_method: Any

    def __init__(self, **values: Any):
        values = dotted(values)
        common = build(CommonSettings, values)
        check_names(values, settings_table(common.system, common.method))
        source = system_source(common.system)
        object.__setattr__(self, 'common', common)
        object.__setattr__(self, 'of_system', build(source.settings, values, f'{source.name}.'))
        object.__setattr__(self, 'of_method', build(METHODS[common.method].settings, values))

    system = property(lambda self: self.common.system, doc='Name of the system, or path of its file.')
    method = property(lambda self: self.common.method, doc='Name of the method.')
    seed = property(lambda self: self.common.seed, doc='Of all randomness.')
    steps = property(lambda self: self.common.steps, doc='Number of control steps.')
    learn = property(lambda self: self.common.learn, doc='Whether the agents learn.')

    def values(self) -> dict[str, Any]:
        """All settings by their names."""
        source = system_source(self.system)
        return {
            **dict(flat(self.common)),
            **dict(flat(self.of_system, f'{source.name}.')),
            **dict(flat(self.of_method)),
        }

    def plain(self) -> dict[str, Any]:
        """All settings by their names for files, with words such as 'auto' in place of None."""
        values = self.values()
        return {entry.name: entry.plain(values[entry.name]) for entry in settings_table(self.system, self.method)}

    def but(self, **changes: Any) -> 'Settings':
        """These settings with changes, without former ones that do not exist or have no effect beside the changes."""
        changes = dotted(changes)
        merged = self.values() | changes
        known = {entry.name for entry in settings_table(merged['system'], merged['method'])}
        kept = with_effect({name: value for name, value in merged.items() if name in known})
        return Settings(**kept | changes)

    def make_system(self) -> System:
        """The system.

        Raises:
            NetworkError: its description is wrong.
            SettingError: the method cannot control such a system.
        """
        system = system_source(self.system).make(self.of_system)
        check_agent_names(system)
        method = self.make_method()
        if not isinstance(system, method.requires):
            raise SettingError(
                f'method {method.name} needs a system of kind {method.requires.__name__}; '
                f'{system.name} is a {type(system).__name__}'
            )
        return system

    def make_method(self) -> Method:
        """The method."""
        return METHODS[self.method]

    def make_agent(self, system: System, index: int) -> Agent:
        """One agent of a system."""
        return self.make_method().agent(system, index, self.of_method, seed=self.seed, learn=self.learn)

    def make_central_agent(self, system: System) -> Agent:
        """The centralised twin of all agents.

        Raises:
            SettingError: the method has none.
        """
        method = self.make_method()
        if not hasattr(method, 'central_agent'):
            raise SettingError(f'method {method.name} has no centralised twin')
        return method.central_agent(system, self.of_method, seed=self.seed, learn=self.learn)

    def __repr__(self) -> str:
        return f'Settings({", ".join(f"{name}={value!r}" for name, value in self.plain().items())})'


def settings_table(system: str, method: str) -> list[Setting]:
    """All settings of a run of this system and method, in their order.

    Raises:
        RegistryError: there is no such system or method.
        SettingError: a setting of the method has the name of another one.
    """
    shared, own = [*table(CommonSettings), *system_table(system_source(system))], table(METHODS[method].settings)
    others = (*shared, *table(DeploymentSettings), *table(LaunchSettings))
    taken = {entry.name for entry in others} | node_setting_names()
    for entry in own:
        if entry.name in taken:
            raise SettingError(
                f'method {method} has a setting {entry.name!r}, which is the name of another setting: '
                'put it into a group (core.settings.group)'
            )
    return [*shared, *own]


def with_effect(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of settings by their names, without those that have no effect beside the others."""
    kind = METHODS[values['method']].settings
    without = {each.name for each in kind.without_effect(values)} if hasattr(kind, 'without_effect') else set()
    return {name: value for name, value in values.items() if name not in without}


def system_table(source: SystemSource) -> list[Setting]:
    """Settings of a system, whose names begin with its own."""
    return table(source.settings, f'{source.name}.')


def installed_setting_names() -> frozenset[str]:
    """Names of the settings of all nodes, methods and systems that are installed.

    Systems and methods of other packages that cannot be loaded are skipped.
    """
    names = {entry.name for entry in table(CommonSettings)} | node_setting_names()
    for method in METHODS.names():
        with suppress(RegistryError):
            names |= {entry.name for entry in table(METHODS[method].settings)}
    for system in SYSTEMS.names():
        with suppress(RegistryError):
            names |= {entry.name for entry in system_table(SYSTEMS[system])}
    return frozenset(names)


def check_names(values: Iterable[str] | Mapping[str, Any], entries: Iterable[Setting]) -> None:
    """Raise a SettingError with a hint if one of these names is unknown."""
    known = [entry.name for entry in entries]
    for name in values:
        if name not in known:
            meant = hint(name, known) or f'; there are {", ".join(known)}'
            raise SettingError(f'there is no setting {name!r}{meant}')
