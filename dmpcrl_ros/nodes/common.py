# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Common functions of all nodes: service responses, waiting with a timeout, and a clean exit."""

import faulthandler
import gc
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import rclpy
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from std_srvs.srv import SetBool, Trigger

from dmpcrl_ros.bringup import check_domain
from dmpcrl_ros.core.exchange import ProgramError
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.process import end_with_parent_if_asked
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.nodes.signals import handle_signals, ignore_signals, running
from dmpcrl_ros.recording.run_files import RunDirectoryError

_USAGE_ERROR = 2
_LONGEST_END = 10.0  # s, in which the middleware must have let go of a node


class Runnable(Protocol):
    """A node with a main loop of its own, added to an executor."""

    @property
    def executor(self) -> Executor | None:
        """Executor of the node."""

    def run(self) -> None:
        """Work until a regular end."""

    def destroy_node(self) -> None:
        """Destroy the publishers and subscriptions of the node."""


class NodeFailure(RuntimeError):
    """The node cannot continue; the message gives the reason."""


def answer(response: Trigger.Response | SetBool.Response, success: bool, message: str) -> Any:
    """Response of a service.

    Args:
        response: to be filled in.
        success: whether the request was carried out, or will be before the next step.
        message: a sentence about it.
    """
    response.success, response.message = success, message
    return response


def wait_until_matched(node: Node, executor: Executor, missing: Callable[[], list[str]], timeout: float) -> None:
    """Spin until nothing is missing.

    Args:
        node: that waits.
        executor: of the node.
        missing: returns the names of the nodes and topics that are not connected yet.
        timeout: after which waiting ends [s].

    Raises:
        NodeFailure: something is still missing after `timeout` seconds.
        ExternalShutdownException: the node must stop.
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
        if not surplus:  # without the signal handlers of rclpy: see signals.py
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # from rcl, such as for a wrong argument after --ros-args
        raise SettingError(str(error)) from None
    if surplus:
        raise SettingError(f'unknown argument {surplus[0]!r}: settings are given as --ros-args -p name:=value')


def run_node(make: Callable[[], Runnable], name: str, interrupted: int = 0) -> int:
    """Make a node, call its `run()`, and end cleanly in all cases.

    If the middleware does not let go of the node within 10 s, the process ends with its traceback and exit code 1.

    Args:
        make: makes the node.
        name: of the executable, for the texts of errors.
        interrupted: exit code after Ctrl-C.

    Returns:
        Exit code: 0 after a regular end, `interrupted` after a signal, 1 after a failure, 2 for wrong settings.
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
    except (NodeFailure, ArithmeticError, ProgramError, RunDirectoryError, rclpy_implementation.RCLError) as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 1 if node else _USAGE_ERROR
    finally:
        faulthandler.dump_traceback_later(_LONGEST_END, exit=True)  # also while C++ code holds the interpreter lock
        if node is not None:
            if node.executor:
                node.executor.shutdown()  # threads of the middleware call it while it has entities
            node.destroy_node()
            node = None
        _leave_ros()


def _leave_ros() -> None:
    rclpy.try_shutdown()
    # Handles in reference cycles keep the participant of DDS. The end of the process would destroy it while its threads
    # deliver messages: now and then a node crashed or hung.
    gc.unfreeze()
    gc.collect()
    faulthandler.cancel_dump_traceback_later()
    ignore_signals()
