# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Content of configuration.json: settings and versions of a run, and the layout of its other files."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

import dmpcrl_ros
from dmpcrl_ros.core.spaces import Space
from dmpcrl_ros.methods.method import Method, Metric
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.system import System


def configuration_of(system: System, settings: Settings, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Content of the file, of JSON types except for arrays in `extra`.

    Args:
        system: of the run.
        settings: of the run.
        extra: further facts.
    """
    method = settings.make_method()
    return {
        'system': system.name,
        'seed': settings.seed,
        'started': datetime.now(UTC).isoformat(timespec='seconds'),
        'episode_length': system.episode_length,
        'settings': settings.plain(),
        'method': method.name,
        'metrics': [asdict(metric) for metric in method.metrics],
        'agents': [_agent(system, method, i) for i in range(system.n_agents)],
        'versions': {
            'dmpcrl_ros': dmpcrl_ros.__version__,
            'python': platform.python_version(),
            'platform': platform.platform(),
            **{name: _version(name) for name in ('numpy', 'scipy', 'casadi', 'daqp')},
        },
        'extra': dict(extra),
    }


def agent_sizes(configuration: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Numbers of states and inputs of the agents by their names, in order.

    Raises:
        KeyError, TypeError: this is not the configuration of a run.
    """
    return {agent['name']: (agent['n_x'], agent['n_u']) for agent in configuration['agents']}


def metrics_of(configuration: Mapping[str, Any]) -> tuple[Metric, ...]:
    """All metrics of the method.

    Raises:
        KeyError, TypeError: this is not the configuration of a run.
    """
    return tuple(Metric(**entry) for entry in configuration['metrics'])


def _agent(system: System, method: Method, index: int) -> dict[str, Any]:
    """Sizes and bounds of the spaces, and the shapes of the named parameters."""
    agent, layout = system.agents[index], method.layout(system, index)
    return {
        'name': agent.name,
        'n_x': agent.state.size,
        'n_u': agent.action.size,
        **_bounds('state', agent.state),
        **_bounds('input', agent.action),
        'parameters': layout.shapes,
        'labels': layout.labels,
    }


def _bounds(name: str, space: Space) -> dict[str, list[float | None]]:
    """Bounds of a space, with null for an infinite one: JSON has no infinity."""
    return {
        f'{name}_{side}': [value if np.isfinite(value) else None for value in bound.tolist()]
        for side, bound in (('lower', space.lower), ('upper', space.upper))
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return 'unknown'
