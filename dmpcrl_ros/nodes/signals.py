# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Signals that end a node: they set a flag, which the loops of the node check between two spins.

An exception inside the executor could interrupt rclpy, a step or the writing of a file. The handlers of rclpy would
remove the topics of the node before it could leave a robot safe.
"""

import signal

import rclpy

from dmpcrl_ros.core.process import ENDING

SPIN_SLICE = 0.1  # s: the longest spin, and the longest time until a signal takes effect
_requested = False


def handle_signals() -> None:
    """Handle the ending signals by setting the flag, except those that the launcher made the process ignore."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _request)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # the launcher may have blocked them until now


def ignore_signals() -> None:
    """Let the ending signals do nothing any more: Python gives up its handlers before the process has ended."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def stop_requested() -> bool:
    """Whether a signal asked the process to end."""
    return _requested


def running() -> bool:
    """Whether nodes of this process should continue: ROS is running, and no signal asked the process to end."""
    return not _requested and rclpy.ok()


def _request(number: int, frame: object) -> None:
    global _requested
    _requested = True
