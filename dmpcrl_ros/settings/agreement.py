# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Values on which the nodes of one system must agree before they begin."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import dmpcrl_ros
from dmpcrl_ros.core.settings import table
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.settings.deployment import AgentOptions, ClockSettings
from dmpcrl_ros.settings.nodes import MonitorSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.registry import SystemFile, system_source
from dmpcrl_ros.systems.system import System

_MOST_NAMED = 5


def agreement(
    settings: Settings, options: ClockSettings | MonitorSettings, system: System, *, of_method: bool
) -> dict[str, str]:
    """Values that must be equal at all nodes of a system that have them, by their names.

    These are the settings of the run, the content of the system's file, the clock, and the version of this package.
    Timeouts, deadlines and folders may differ.

    Args:
        settings: of the run.
        options: of the node.
        system: of the settings.
        of_method: whether the node has the settings of the method.
    """
    values = settings.plain()
    if not of_method:
        for entry in table(METHODS[settings.method].settings):
            del values[entry.name]
    if isinstance(options, AgentOptions):
        del values['steps']  # only the plant ends the run
        values['lost_neighbours'] = options.lost_neighbours
    if isinstance(options, ClockSettings):
        values |= {'real_time': options.real_time, 'speed': options.speed, 'period': options.period_of(system)}
    source = system_source(settings.system)
    if isinstance(source, SystemFile):
        values['system'] = f'a file with the SHA-256 {hashlib.sha256(Path(source.name).read_bytes()).hexdigest()[:16]}'
    return {'version of dmpcrl_ros': dmpcrl_ros.__version__} | {name: str(value) for name, value in values.items()}


def differences(agreements: Mapping[str, Mapping[str, str]]) -> str:
    """Sentence that names the differing values and their nodes; empty if all agree.

    Args:
        agreements: of the nodes, by the names of the nodes.
    """
    first: dict[str, tuple[str, str]] = {}
    found: dict[str, str] = {}
    for node, values in agreements.items():
        for name, value in values.items():
            other, expected = first.setdefault(name, (node, value))
            if value != expected:
                found.setdefault(name, f'{name} is {expected} at {other} and {value} at {node}')
    more = [f'and {len(found) - _MOST_NAMED} more'] if len(found) > _MOST_NAMED else []
    return '; '.join([*list(found.values())[:_MOST_NAMED], *more])
