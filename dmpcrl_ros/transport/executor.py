# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The executor that all nodes of this package spin."""

from rclpy.executors import Executor, SingleThreadedExecutor


def make_executor() -> Executor:
    """The executor of least latency: events where this rclpy has them (Jazzy 7.1.4 and later), else the default one."""
    try:
        from rclpy.experimental.events_executor import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()
