# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Commands whose options are the settings of the chosen system and method."""

from collections.abc import Sequence
from contextlib import suppress
from inspect import get_annotations
from typing import Any

import click
import cloup
from click.shell_completion import CompletionItem

from dmpcrl_ros.cli.setting_option import SettingOption
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import Setting, SettingError, build, table
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.settings.deployment import (
    AgentOptions,
    ClockSettings,
    DeploymentSettings,
    DiagnosticsSettings,
    LearnedSettings,
    LoopOptions,
    SensorSettings,
    StartSettings,
)
from dmpcrl_ros.settings.run import CommonSettings, Settings, system_table
from dmpcrl_ros.systems.registry import SYSTEMS, system_source

_COMMON = [entry for entry in table(CommonSettings) if entry.name != 'system']
_DEFAULTS = {entry.name: entry.default for entry in table(CommonSettings)}
# Headings of the settings of the deployment, and the classes that declare the settings below them.
_DEPLOYMENT: dict[str, tuple[type, ...]] = {
    'Learned parameters': (LearnedSettings,),
    'Clock': (ClockSettings,),
    'Agents': (AgentOptions,),
    'Plant or bridge': (LoopOptions, SensorSettings),
    'Nodes': (DeploymentSettings, StartSettings, DiagnosticsSettings),
}


class SettingsCommand(cloup.Command):
    """Command with an argument SYSTEM and options for the settings of all runs, of that system and of the method.

    Each call makes a plain command with the options that belong to its arguments. The function of the command gets
    `settings` (Settings) and `learned` (LearnedSettings) in place of these options.
    """

    deployed = False

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make the plain command and parse the arguments with it.

        Raises:
            click.UsageError: there is no such system or method, or an argument is wrong.
        """
        try:
            command = self._command(*self._chosen(args))
        except RegistryError as error:
            if not extra.get('resilient_parsing'):  # the completion of a word reports no errors
                raise click.UsageError(str(error)) from None
            command = self._command(_DEFAULTS['system'], _DEFAULTS['method'])
        return command.make_context(info_name, args, parent, **extra)

    def _command(self, system: str, method: str) -> cloup.Command:
        groups = setting_groups(system, method, deployed=self.deployed)
        return _ChosenCommand(
            (system, method),
            self.deployed,
            name=self.name,
            callback=self.callback,
            help=self.help,
            params=[system_argument(), *_options(groups), *self.params],
            context_settings=self.context_settings,
        )

    def _chosen(self, args: Sequence[str]) -> tuple[str, str]:
        """System and method of the arguments, or the defaults."""
        method = _probe(args, [method_option()])['method'] or _DEFAULTS['method']
        # skipping the values of options requires the options: those of the method, and of systems by their prefix
        options = _options(setting_groups(_DEFAULTS['system'], method, deployed=self.deployed))
        for name in _prefixes(args).intersection(SYSTEMS.names()) - {_DEFAULTS['system']}:
            options += [SettingOption(entry) for entry in system_table(system_source(name))]
        found = _probe(args, [system_argument(), *options, *self.params])['system']
        return (_DEFAULTS['system'] if not found or found.startswith('-') else found), method


class DeployedCommand(SettingsCommand):
    """SettingsCommand with the settings of the nodes.

    Its function gets `deployment` (DeploymentSettings) in place of `learned`, which is part of it.
    """

    deployed = True


class _ChosenCommand(cloup.Command):
    """Command with the options of one system and one method.

    Args:
        chosen: the system and the method.
        deployed: whether the settings of the nodes are options, too.
        details: of the command.
    """

    def __init__(self, chosen: tuple[str, str], deployed: bool, **details: Any):
        super().__init__(**details)
        self._chosen, self._deployed = chosen, deployed

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments and make the settings of the options.

        Raises:
            click.UsageError: an argument is wrong, the system is wrong, or the method cannot control it.
        """
        try:
            rest = super().parse_args(ctx, args)
            if not ctx.resilient_parsing:
                self._make_settings(ctx.params)
            return rest
        except click.NoSuchOption as error:
            if not (owners := _owners(error.option_name)):
                raise
            system, method = self._chosen
            raise click.UsageError(
                f'{error.option_name} is an option of {" and ".join(owners)}; '
                f'this run has system {system} and method {method}',
                ctx,
            ) from None
        except (SettingError, NetworkError) as error:
            raise click.UsageError(str(error), ctx) from None

    def _make_settings(self, parameters: dict[str, Any]) -> None:
        """Replace options by settings among the arguments of the function."""
        values = {'system': parameters.pop('system')}
        for option in self.params:
            if isinstance(option, SettingOption):
                values[option.entry.name] = parameters.pop(option.name)
        kind = DeploymentSettings if self._deployed else LearnedSettings
        of_nodes = {entry.name for entry in table(kind)}
        settings = Settings(**{name: value for name, value in values.items() if name not in of_nodes})
        settings.make_system()
        parameters['settings'] = settings
        parameters['deployment' if self._deployed else 'learned'] = build(kind, values)


def setting_groups(system: str, method: str, *, deployed: bool) -> dict[str, list[Setting]]:
    """Settings below their headings.

    Args:
        system: name of a system, or path of its file.
        method: name of a method.
        deployed: whether to list all settings of the nodes; otherwise those of learned parameters only.

    Raises:
        RegistryError: there is no such system or method.
    """
    source, of_method = system_source(system), table(METHODS[method].settings)
    groups = {'Run': _COMMON, f'System {source.name}': system_table(source)}
    for group in sorted(dict.fromkeys(_group(entry) for entry in of_method), key=bool):  # without a group first
        heading = f'Method {method}' + (f': {group}' if group else '')
        groups[heading] = [entry for entry in of_method if _group(entry) == group]
    for heading, kinds in _DEPLOYMENT.items():
        if deployed or LearnedSettings in kinds:
            own = {name for kind in kinds for name in get_annotations(kind)}
            groups[heading] = [entry for entry in table(DeploymentSettings) if entry.name in own]
    return {heading: entries for heading, entries in groups.items() if entries}


def _options(groups: dict[str, list[Setting]]) -> list[click.Parameter]:
    options: list[click.Parameter] = []
    for heading, entries in groups.items():
        group = cloup.OptionGroup(heading)
        options += [SettingOption(entry, group) for entry in entries]
    return options


def _probe(args: Sequence[str], params: list[click.Parameter]) -> dict[str, Any]:
    """Values of known parameters among arguments, some of which may be unknown or wrong."""
    probe = click.Command('probe', params=params, add_help_option=False)
    lenient: Any = {'resilient_parsing': True, 'ignore_unknown_options': True, 'allow_extra_args': True}
    return probe.make_context('probe', list(args), **lenient).params


def _owners(flag: str) -> list[str]:
    """Methods and systems that have the option of a flag."""
    name, found = flag.removeprefix('--').removeprefix('no-'), []
    for kind, registry in (('method', METHODS), ('system', SYSTEMS)):
        for each in registry.names():
            with suppress(RegistryError):  # a package that cannot be loaded has no options
                entries = table(METHODS[each].settings) if registry is METHODS else system_table(SYSTEMS[each])
                found += [f'{kind} {each}' for entry in entries if entry.name.replace('_', '-') == name]
    return found


def _prefixes(args: Sequence[str]) -> set[str]:
    """Names before the first dot of the options."""
    return {word.removeprefix('--').removeprefix('no-').partition('.')[0].replace('-', '_') for word in args}


def system_argument() -> cloup.Argument:
    """Argument SYSTEM."""
    return cloup.Argument(
        ['system'],
        default=_DEFAULTS['system'],
        shell_complete=_complete_system,
        help=f'name of a system, or path of a YAML file  [default: {_DEFAULTS["system"]}]',
    )


def method_option() -> SettingOption:
    """Option --method."""
    return next(SettingOption(entry) for entry in _COMMON if entry.name == 'method')


def _complete_system(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Systems that begin with the incomplete word, or else files."""
    names = [CompletionItem(name) for name in SYSTEMS.names() if name.startswith(incomplete)]
    return names or [CompletionItem(incomplete, type='file')]


def _group(entry: Setting) -> str:
    return entry.name.rpartition('.')[0]
