"""What all nodes share: parameters from the table of settings, waiting with an end, and a clean way out."""

import signal
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from dmpcrl_ros.bringup import check_domain
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.recording.recorded_run import RunDirectoryError
from dmpcrl_ros.settings.run import Setting, SettingError, Settings, table

Kind = TypeVar('Kind', bound=Settings)
_USAGE_ERROR = 2
_ENDING = (signal.SIGINT, signal.SIGTERM)


class NodeFailure(RuntimeError):
    """The node cannot go on; the message says why."""


def declare(node: Node, kind: type[Kind]) -> Kind:
    """Declare every setting of `kind` as a parameter of the node and read them.

    Raises:
        SettingError: a parameter has the wrong type or is out of range, or one was given that does not exist.
    """
    entries = table(kind)
    known = {entry.name for entry in entries} | {'use_sim_time', 'start_type_description_service'}
    surplus = sorted(name for name in node._parameter_overrides
                     if name not in known and not name.startswith('qos_overrides'))
    if surplus:  # rclpy itself ignores what is given but not declared, so that a typing error would be silent
        raise SettingError(f'there is no parameter {surplus[0]!r}; there are {", ".join(sorted(known))}')
    for entry in entries:
        try:
            node.declare_parameter(entry.name, entry.default, _descriptor(entry))
        except (InvalidParameterTypeException, InvalidParameterValueException):
            entry.check(node._parameter_overrides[entry.name].value)
            raise
    return kind(**{entry.name: node.get_parameter(entry.name).value for entry in entries})


def _descriptor(entry: Setting) -> ParameterDescriptor:
    unit = f' [{entry.unit}]' if entry.unit else ''
    choices = f'one of {", ".join(entry.choices)}' if entry.choices else ''
    descriptor = ParameterDescriptor(name=entry.name, description=entry.description + unit, read_only=True,
                                     additional_constraints=choices)
    if entry.minimum is not None and entry.maximum is not None:
        if isinstance(entry.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=entry.minimum, to_value=entry.maximum)]
        else:
            descriptor.integer_range = [
                IntegerRange(from_value=int(entry.minimum), to_value=int(entry.maximum), step=1)]
    return descriptor


def wait_until_matched(node: Node, executor: Executor, missing: Callable[[], list[str]], timeout: float) -> None:
    """Spin until nobody is missing.

    Raises:
        NodeFailure: somebody still is after `timeout` seconds.
        ExternalShutdownException: the node is to stop.
    """
    deadline = time.monotonic() + timeout
    while absent := missing():
        if time.monotonic() > deadline:
            raise NodeFailure(f'after {timeout:g} s still not connected to {", ".join(absent)}')
        if not rclpy.ok():
            raise ExternalShutdownException
        node.get_logger().info(f'waiting for {", ".join(absent)}', throttle_duration_sec=5.0, skip_first=True)
        executor.spin_once(timeout_sec=0.05)


def _start_ros() -> None:
    """Without the signal handlers of rclpy, which would take the node its topics before it could leave a robot safe."""
    check_domain()
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # whoever starts nodes may have them ignore Ctrl-C
            signal.signal(number, _stop)
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # rcl's: arguments after --ros-args that are none, for one
        raise SettingError(str(error)) from None


def _stop(number: int, frame: object) -> None:
    _ignore_signals()
    raise KeyboardInterrupt  # which rclpy does not swallow, as it does exceptions in a transition


def _ignore_signals() -> None:
    """A second one is not to interrupt the way out, on which a robot is left safe."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def run_node(make: Callable[[], Node], name: str, interrupted: int = 0) -> int:
    """Make a node, call its `run()`, and end cleanly, whatever happens.

    Returns:
        0 at a regular end, `interrupted` on Ctrl-C, 1 when the node failed, 2 when it was started with wrong settings.
    """
    node = None
    try:
        _start_ros()
        node = make()
        node.run()
        return 0
    except (KeyboardInterrupt, ExternalShutdownException):
        return interrupted
    except (SettingError, NetworkError, RunDirectoryError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return _USAGE_ERROR
    except (NodeFailure, ArithmeticError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1
    finally:
        _ignore_signals()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
