# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Distributed MPC as a function approximator for Q-learning (papers 001 and 000)."""
