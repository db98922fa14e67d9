# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A network of one's own from a YAML file.

`ros2 launch dmpcrl_ros network.launch.py system:=/path/to/network.yaml`
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from dmpcrl_ros.launching.system import launch_system
from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    example = Path(get_package_share_directory('dmpcrl_ros'), 'config', 'three_carts.yaml')
    return launch_system(system=str(example))
