# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Agents and bridge for a robot, or a simulator with its topics; by default the carts of simulators/mujoco_carts.

`ros2 launch dmpcrl_ros robot.launch.py system:=/path/to/network.yaml bridge:=/path/to/bridge.yaml`
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from dmpcrl_ros.launching.system import launch_system
from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    config = Path(get_package_share_directory('dmpcrl_ros'), 'config')
    return launch_system(system=str(config / 'mujoco_carts.yaml'), bridge=str(config / 'mujoco_carts_bridge.yaml'))
