# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Executor of all nodes of this package."""

from rclpy.executors import Executor, SingleThreadedExecutor


def make_executor() -> Executor:
    """Executor of least latency: the events executor if rclpy has one (Jazzy 7.1.4 and later), else the default one."""
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()
