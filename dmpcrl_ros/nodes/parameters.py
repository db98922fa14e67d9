# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings as ROS parameters: declared, read and checked at the start, and updated while the node runs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from dmpcrl_ros.core.names import hint, mistyped
from dmpcrl_ros.core.settings import Kind, Setting, SettingError, build, table
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.settings.run import CommonSettings, Settings, installed_setting_names, system_table
from dmpcrl_ros.systems.registry import system_source

_OF_RCLPY = ('use_sim_time', 'start_type_description_service', 'qos_overrides')  # of all ROS nodes, or of their topics


def declare(node: Node, kind: type[Kind], *, of_method: bool, live: Collection[str] = ()) -> tuple[Settings, Kind]:
    """Declare the settings of the run and of this node as parameters, and read them.

    Args:
        node: on which they are declared.
        kind: class of the settings of the node.
        of_method: whether the node has the settings of the method.
        live: names of common settings that can be changed at this node while it runs.

    Raises:
        SettingError: a parameter has the wrong type or is out of range, or its name has a typing error.
        RegistryError: there is no such system or method.
    """
    shared = [replace(entry, live=entry.name in live) for entry in table(CommonSettings)]
    common = _declared(node, shared)
    entries = system_table(system_source(common['system']))
    if of_method:
        entries += table(METHODS[common['method']].settings)
    own = table(kind)
    _check_names(node, [entry.name for entry in (*shared, *entries, *own)])
    settings = Settings(**common, **_declared(node, entries))
    return settings, build(kind, _declared(node, own))


def _check_names(node: Node, own: Collection[str]) -> None:
    """Check names that this node does not declare: rclpy ignores them, so typing errors would be silent.

    Names of other nodes are allowed: many nodes may share a parameter file.

    Raises:
        SettingError: a name differs from one of this node by a typing error.
    """
    foreign = {name for name in node._parameter_overrides if name.split('.')[0] not in _OF_RCLPY}.difference(own)
    if not foreign:  # only if needed: this loads all methods and systems
        return
    for name in sorted(foreign - installed_setting_names()):
        if meant := mistyped(name, own):
            raise SettingError(f'there is no parameter {name!r}; did you mean {meant!r}?')
        node.get_logger().warning(f'there is no parameter {name!r} in this package: it is ignored{hint(name, own)}')


def _declared(node: Node, entries: Sequence[Setting]) -> dict[str, Any]:
    """Values of the entries by their names, declared as parameters of the node."""
    found, given = {}, node._parameter_overrides
    for entry in entries:
        default = entry.plain(entry.default)
        if entry.name in given:
            given[entry.name] = _typed(entry, given[entry.name])
        try:
            if entry.kind is tuple:  # an empty list has no type
                node.declare_parameter(entry.name, Parameter.Type.STRING_ARRAY, _descriptor(entry))
                default = []
            else:
                node.declare_parameter(entry.name, default, _descriptor(entry))
        except (InvalidParameterTypeException, InvalidParameterValueException):
            entry.check(given[entry.name].value)
            raise
        found[entry.name] = entry.check(node.get_parameter_or(entry.name, Parameter(entry.name, value=default)).value)
    return found


def _typed(entry: Setting, parameter: Parameter) -> Parameter:
    """Parameter of a setting. A setting of type float accepts a ROS integer, too."""
    if entry.kind is float and parameter.type_ is Parameter.Type.INTEGER:
        return Parameter(parameter.name, value=float(parameter.value))
    return parameter


def _descriptor(entry: Setting) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=entry.name,
        description=entry.description + (f' [{entry.unit}]' if entry.unit else ''),
        read_only=not entry.live,
        additional_constraints=entry.allowed if entry.choices or entry.absent else '',
        dynamic_typing=bool(entry.absent),  # a number or a word
    )
    if entry.minimum is not None and entry.maximum is not None and not entry.absent:
        if entry.kind is float:
            descriptor.floating_point_range = [FloatingPointRange(from_value=entry.minimum, to_value=entry.maximum)]
        else:
            descriptor.integer_range = [
                IntegerRange(from_value=int(entry.minimum), to_value=int(entry.maximum), step=1)
            ]
    return descriptor


class LiveParameters:
    """Settings of a node that can be changed while it runs.

    A value is checked as at the start. Then `options` of the node is replaced as a whole, so objects that read it when
    they need a value get the new one.

    Attributes:
        followers: called after each change, for objects that cannot read `options` when they need it, such as timers.

    Args:
        node: with the `options`; other parameters are ignored.
        kind: class of its options.
    """

    def __init__(self, node: Any, kind: type):
        self._node, self._entries = node, {entry.name: entry for entry in table(kind) if entry.live}
        self.followers: list[Callable[[], None]] = []
        node.add_pre_set_parameters_callback(self._as_declared)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._change)

    def _as_declared(self, parameters: Sequence[Parameter]) -> list[Parameter]:
        return [_typed(self._entries[p.name], p) if p.name in self._entries else p for p in parameters]

    def _check(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        try:
            self._values(parameters)
        except SettingError as refusal:
            return SetParametersResult(successful=False, reason=str(refusal))
        return SetParametersResult(successful=True)

    def _change(self, parameters: Sequence[Parameter]) -> None:
        values = self._values(parameters)
        self._node.options = replace(self._node.options, **values)
        for name in values:
            self._node.get_logger().info(f'{name} is now {self._node.get_parameter(name).value}')
        for follower in self.followers:
            follower()

    def _values(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        own = [p for p in parameters if p.name in self._entries]
        for deleted in (p for p in own if p.type_ is Parameter.Type.NOT_SET):
            raise SettingError(f'{deleted.name} cannot be deleted')
        return {p.name: self._entries[p.name].check(p.value) for p in own}
