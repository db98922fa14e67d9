"""Functions of all nodes: parameters from the tables of settings, waiting with a timeout, and a clean exit."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from std_srvs.srv import SetBool, Trigger

from dmpcrl_ros.bringup import check_domain
from dmpcrl_ros.core.exchange import ProgramError
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.process import end_with_parent_if_asked
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import Setting, SettingError, build, table
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.nodes.signals import handle_signals, running
from dmpcrl_ros.recording.recorded_run import RunDirectoryError
from dmpcrl_ros.settings.run import CommonSettings, Settings, system_table
from dmpcrl_ros.systems.registry import system_source

Kind = TypeVar('Kind')
_USAGE_ERROR = 2


class NodeFailure(RuntimeError):
    """The node cannot continue; the message says why."""


def answer(response: Trigger.Response | SetBool.Response, success: bool, message: str) -> Any:
    """Response of a service.

    Args:
        response: to be filled in.
        success: whether the request was carried out, or will be before the next step.
        message: a sentence about it.
    """
    response.success, response.message = success, message
    return response


def declare(node: Node, kind: type[Kind], *, of_method: bool) -> tuple[Settings, Kind]:
    """Declare the settings of the run and of this node as parameters, and read them.

    Args:
        node: on which they are declared.
        kind: class of the settings of the node.
        of_method: whether the node has the settings of the method.

    Raises:
        SettingError: a parameter has the wrong type or is out of range, or one was given that does not exist.
        RegistryError: there is no such system or method.
    """
    common = _declared(node, table(CommonSettings))
    entries = system_table(system_source(common['system']))
    if of_method:
        entries += table(METHODS[common['method']].settings)
    own = table(kind)
    _refuse_unknown(node, [*table(CommonSettings), *entries, *own])
    settings = Settings(**common, **_declared(node, entries))
    return settings, build(kind, _declared(node, own))


def _refuse_unknown(node: Node, entries: Sequence[Setting]) -> None:
    """Raise SettingError for parameters that are not declared: rclpy ignores them, and a typing error would be
    silent."""
    known = {entry.name for entry in entries} | {'use_sim_time', 'start_type_description_service'}
    for name in sorted(node._parameter_overrides):
        if name not in known and not name.startswith('qos_overrides'):
            raise SettingError(f'there is no parameter {name!r}; there are {", ".join(sorted(known))}')


def _declared(node: Node, entries: Sequence[Setting]) -> dict[str, Any]:
    """Values of the entries by their names, declared as parameters of the node."""
    found = {}
    for entry in entries:
        default = entry.plain(entry.default)
        given = node._parameter_overrides.get(entry.name)
        if entry.kind is float and given and type(given.value) is int:  # 2 is a number, too
            node._parameter_overrides[entry.name] = Parameter(entry.name, value=float(given.value))
        try:
            if entry.kind is tuple:  # an empty list has no type of its own
                node.declare_parameter(entry.name, Parameter.Type.STRING_ARRAY, _descriptor(entry))
                default = []
            else:
                node.declare_parameter(entry.name, default, _descriptor(entry))
        except (InvalidParameterTypeException, InvalidParameterValueException):
            entry.check(node._parameter_overrides[entry.name].value)
            raise
        found[entry.name] = entry.check(node.get_parameter_or(entry.name, Parameter(entry.name, value=default)).value)
    return found


def _descriptor(entry: Setting) -> ParameterDescriptor:
    unit = f' [{entry.unit}]' if entry.unit else ''
    choices = f'one of {", ".join(entry.choices)}' if entry.choices else ''
    if entry.absent:  # a number or a word
        choices = f'{entry.kind.__name__} or {entry.absent}'
    descriptor = ParameterDescriptor(
        name=entry.name,
        description=entry.description + unit,
        read_only=True,
        additional_constraints=choices,
        dynamic_typing=bool(entry.absent),
    )
    if entry.minimum is not None and entry.maximum is not None and not entry.absent:
        if entry.kind is float:
            descriptor.floating_point_range = [FloatingPointRange(from_value=entry.minimum, to_value=entry.maximum)]
        else:
            descriptor.integer_range = [
                IntegerRange(from_value=int(entry.minimum), to_value=int(entry.maximum), step=1)
            ]
    return descriptor


def wait_until_matched(node: Node, executor: Executor, missing: Callable[[], list[str]], timeout: float) -> None:
    """Spin until nothing is missing.

    Args:
        node: that waits.
        executor: to which it belongs.
        missing: returns the names of the nodes and topics that are not connected yet.
        timeout: s.

    Raises:
        NodeFailure: something is still missing after `timeout` seconds.
        ExternalShutdownException: the node is to stop.
    """
    deadline = time.monotonic() + timeout
    while absent := missing():
        if time.monotonic() > deadline:
            raise NodeFailure(f'after {timeout:g} s still not connected to {", ".join(absent)}')
        if not running():
            raise ExternalShutdownException
        node.get_logger().info(f'waiting for {", ".join(absent)}', throttle_duration_sec=5.0, skip_first=True)
        executor.spin_once(timeout_sec=0.05)


def _start_ros() -> None:
    check_domain()
    try:
        surplus = remove_ros_args(sys.argv)[1:]
        if not surplus:  # without rclpy's handlers of signals: see signals.py
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # of rcl, as for a wrong argument after --ros-args
        raise SettingError(str(error)) from None
    if surplus:
        raise SettingError(f'unknown argument {surplus[0]!r}: settings are given as --ros-args -p name:=value')


def run_node(make: Callable[[], Node], name: str, interrupted: int = 0) -> int:
    """Make a node, call its `run()`, and end cleanly, whatever happens.

    Args:
        make: makes the node.
        name: of the executable, for messages.
        interrupted: exit code after Ctrl-C.

    Returns:
        0 at a regular end, `interrupted` where a signal ended it, 1 when the node failed, 2 when it was started with
        wrong settings.
    """
    handle_signals()
    end_with_parent_if_asked()
    node = None
    try:
        _start_ros()
        node = make()
        node.run()
        return 0
    except ExternalShutdownException:
        return interrupted
    except (SettingError, RegistryError, NetworkError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return _USAGE_ERROR
    except (NodeFailure, ArithmeticError, ProgramError, RunDirectoryError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1 if node else _USAGE_ERROR
    finally:
        if node is not None:
            node.executor.shutdown()  # threads of the middleware call into it as long as it has entities
            node.destroy_node()
        rclpy.try_shutdown()
