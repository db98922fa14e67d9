# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Protocols over ROS 2: messages, topics, and the driver of the round engines."""
