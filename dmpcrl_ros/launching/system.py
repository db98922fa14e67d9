# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The launch description of a system: an argument for each setting, and the nodes."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from launch.actions import DeclareLaunchArgument, GroupAction, OpaqueFunction

from dmpcrl_ros.bringup import NodeSpec, nodes_of, respawning
from dmpcrl_ros.core.settings import Setting, SettingError, build, dotted, table
from dmpcrl_ros.launching.actions import launch_actions
from dmpcrl_ros.launching.given import given_arguments
from dmpcrl_ros.launching.parameter_file import shared_parameters
from dmpcrl_ros.settings.deployment import DeploymentSettings, LaunchSettings
from dmpcrl_ros.settings.run import CommonSettings, Settings, check_names, settings_table
from launch import LaunchContext, LaunchDescription

_OF_LAUNCH = ('launch-prefix', 'launch-prefix-filter')  # ros2 launch gives its options as arguments, too


def launch_system(**defaults: Any) -> LaunchDescription:
    """The launch description of a system.

    Declared are the arguments of the default method and system; those of another method or system can be given as well.

    Args:
        defaults: settings of this launch file that differ from the tables, by their names (`__` for a dot).
    """
    return LaunchDescription([_SystemLaunch(dotted(defaults)).group()])


class _SystemLaunch:
    """One launch of a system.

    A value that was given as an argument goes before one in the file of parameters, which goes before a default.

    Args:
        defaults: settings that differ from the tables, by their names.
    """

    def __init__(self, defaults: Mapping[str, Any]):
        self._defaults = defaults
        self._given: dict[str, str] = {}
        self._nodes = OpaqueFunction(function=self._start)

    def group(self) -> GroupAction:
        """The actions of the launch, which leave nothing behind in the configurations of an including launch file."""
        common = build(CommonSettings, self._defaults)
        declared = [self._declaration(entry) for entry in _entries(common.system, common.method)]
        return GroupAction([OpaqueFunction(function=self._remember), *declared, self._nodes])

    def _declaration(self, entry: Setting) -> DeclareLaunchArgument:
        value = self._defaults.get(entry.name, entry.default)
        return DeclareLaunchArgument(
            entry.name,
            default_value=str(value).lower() if entry.kind is bool else str(entry.plain(value)),
            description=entry.description if entry.kind is str else f'{entry.description}; {entry.allowed}',
            choices=list(entry.choices) or None,
        )

    def _remember(self, context: LaunchContext) -> None:
        self._given = dict(context.launch_configurations)  # before the defaults of the declarations come to them

    def _start(self, context: LaunchContext) -> list[Any]:
        path = os.path.expanduser(self._given.get('params_file', self._defaults.get('params_file', '')))
        in_file = shared_parameters(path)
        values = self._values(in_file)
        entries = _entries(values['system'], values['method'])
        check_names(sorted(given_arguments(self._nodes, context) - set(_OF_LAUNCH)), entries)
        of_run = {entry.name for entry in settings_table(values['system'], values['method'])}
        launch = build(LaunchSettings, values)
        nodes = nodes_of(
            Settings(**{name: value for name, value in values.items() if name in of_run}),
            build(DeploymentSettings, values),
            output=launch.output,
        )
        return launch_actions(
            [self._with_parameters(node, launch, in_file) for node in (respawning(nodes) if launch.respawn else nodes)],
            parameter_files=[path] if path else [],
            ros_arguments=['--log-level', launch.log_level],
        )

    def _values(self, in_file: Mapping[str, Any]) -> dict[str, Any]:
        """Values of all settings by their names.

        Raises:
            SettingError: one of them is of the wrong type or out of range.
            RegistryError: there is no such system or method.
        """
        common = {entry.name: self._value(entry, in_file) for entry in table(CommonSettings)}
        return {entry.name: self._value(entry, in_file) for entry in _entries(common['system'], common['method'])}

    def _value(self, entry: Setting, in_file: Mapping[str, Any]) -> Any:
        if entry.name in self._given:
            return entry.parse(self._given[entry.name])
        if entry.name in in_file:
            try:
                return entry.check(in_file[entry.name])
            except SettingError as error:
                raise SettingError(f'params_file: {error}') from None
        return self._defaults.get(entry.name, entry.default)

    def _with_parameters(self, node: NodeSpec, launch: LaunchSettings, in_file: Mapping[str, Any]) -> NodeSpec:
        """The node with what it has neither by default nor from the file, so that an entry for it alone counts."""
        values = {'use_sim_time': launch.use_sim_time, **node.parameters}
        if 'autostart' in values:
            values['autostart'] = launch.autostart
        otherwise = {'use_sim_time': False, **node.defaults(), **in_file}
        own = {name: value for name, value in values.items() if name in self._given or value != otherwise.get(name)}
        return replace(node, parameters=own)


def _entries(system: str, method: str) -> list[Setting]:
    return [*settings_table(system, method), *table(DeploymentSettings), *table(LaunchSettings)]
