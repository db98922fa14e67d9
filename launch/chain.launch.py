# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The chain of mallick2024 and mallick2025.

`ros2 launch dmpcrl_ros chain.launch.py chain.agents:=3 steps:=1000 output:=/tmp/chain`
"""

from dmpcrl_ros.launching.system import launch_system
from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    return launch_system()
