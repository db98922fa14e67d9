# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parametrised model predictive control: the formulation, its quadratic programme, and its sensitivities."""
