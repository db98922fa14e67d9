# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Signals that end a node: they set a flag, which the loops of the node look at between two spins.

An exception in the midst of the executor would leave rclpy, a step or a file half-done. rclpy's own handlers would take
the node its topics before it could leave a robot safe.
"""

import signal

import rclpy

from dmpcrl_ros.core.process import ENDING

SPIN_SLICE = 0.1  # s: the longest spin, and so the longest time until a signal is noticed
_requested = False


def handle_signals() -> None:
    """Let the ending signals set the flag, unless the launcher has the process ignore them."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _request)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # which the launcher may have held back until now


def ignore_signals() -> None:
    """Let the ending signals do nothing any more: Python gives up its handlers before the process has ended."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def stop_requested() -> bool:
    """Whether the process was asked to end."""
    return _requested


def running() -> bool:
    """Whether nodes of this process are to go on: ROS is up, and no signal asked them to end."""
    return not _requested and rclpy.ok()


def _request(number: int, frame: object) -> None:
    global _requested
    _requested = True
