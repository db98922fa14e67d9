# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Scenario-based stochastic MPC, a baseline of paper 001."""
