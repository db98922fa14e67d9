# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Names of metrics in tables and figures."""

from dmpcrl_ros.methods.method import Metric

_ACRONYMS = frozenset({'td', 'kkt', 'admm', 'mpc', 'qp'})


def title(metric: Metric) -> str:
    """Name of a metric as text: 'TD error' for td_error."""
    return ' '.join(word.upper() if word in _ACRONYMS else word for word in metric.name.split('_'))


def magnitude(metric: Metric) -> str:
    """Name of its absolute value, such as `|TD error|`; for a flag the name itself."""
    return title(metric) if metric.flag else f'|{title(metric)}|'
