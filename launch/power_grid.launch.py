# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The four-area power grid of mallick2024.

`ros2 launch dmpcrl_ros power_grid.launch.py steps:=1000 output:=/tmp/power_grid`
"""

from dmpcrl_ros.launching.system import launch_system
from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    return launch_system(system='power_grid')
