# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Distributed model predictive controllers that learn, each agent a ROS 2 node."""

__version__ = '0.1.0'
