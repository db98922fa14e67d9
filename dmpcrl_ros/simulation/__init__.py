# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Simulation of the network in one process: all agents in lockstep, in closed loop with the plant."""
