# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Registry of the methods. Other packages add theirs by an entry point in the group `dmpcrl_ros.methods`."""

from dmpcrl_ros.core.registry import Registry

METHODS = Registry(
    'method',
    'dmpcrl_ros.methods',
    {
        'q_learning': 'dmpcrl_ros.methods.q_learning.method:Q_LEARNING',
        'nominal_mpc': 'dmpcrl_ros.methods.nominal_mpc:NOMINAL_MPC',
        'scenario_mpc': 'dmpcrl_ros.methods.scenario_mpc.method:SCENARIO_MPC',
    },
    ('name', 'title', 'settings', 'requires', 'metrics', 'layout', 'agent'),
)
