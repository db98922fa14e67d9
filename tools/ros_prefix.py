# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Copied into an environment made of ROS 2 wheels, where a .pth file imports it at start-up.

A regular ROS 2 installation sets these variables by its setup.bash; the wheels have none, and
without them neither ament_index_python nor CMake finds what is installed in the environment.
"""

import os
import sys

for name in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH'):
    prefixes = [prefix for prefix in os.environ.get(name, '').split(os.pathsep) if prefix]
    if sys.prefix not in prefixes:
        os.environ[name] = os.pathsep.join([*prefixes, sys.prefix])
