# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings of each node: its part of the deployment, and its own."""

from dataclasses import dataclass

from dmpcrl_ros.core.settings import setting, table
from dmpcrl_ros.settings.deployment import (
    AgentOptions,
    DiagnosticsSettings,
    LifecycleSettings,
    LoopOptions,
    SensorSettings,
    StartSettings,
)


@dataclass(frozen=True, kw_only=True)
class ManagedNodeSettings(LifecycleSettings, DiagnosticsSettings):
    """Settings of a lifecycle node."""


@dataclass(frozen=True, kw_only=True)
class AgentNodeSettings(AgentOptions, ManagedNodeSettings):
    """Settings of a node that runs agents."""

    agents: tuple[str, ...] = setting((), 'names of the agents that this node runs')


@dataclass(frozen=True, kw_only=True)
class PlantSettings(LoopOptions, ManagedNodeSettings):
    """Settings of the plant node."""

    wait_for_monitor: bool = setting(False, 'whether the run begins only when a monitor is ready')


@dataclass(frozen=True, kw_only=True)
class BridgeSettings(PlantSettings, SensorSettings):
    """Settings of the bridge to a robot or a physics simulator; real_time must be true."""

    mapping: str = setting('', 'path of the YAML file that maps standard topics to states and inputs of the agents')


@dataclass(frozen=True, kw_only=True)
class MonitorSettings(StartSettings):
    """Settings of the monitor node."""

    output: str = setting('', 'directory of the run; must not hold one yet')
    report_period: float | None = setting(
        5.0,
        'time between two lines of progress in the log',
        kind=float,
        absent='never',
        unit='s',
        minimum=0.01,
        maximum=3600.0,
        live=True,
    )
    silence_timeout: float = setting(
        90.0,
        'time without a message after which the recording ends with an error',
        unit='s',
        minimum=1.0,
        maximum=3600.0,
        live=True,
    )


@dataclass(frozen=True, kw_only=True)
class RelaySettings:
    """Settings of the relay that injects faults: those of a FaultPlan."""

    fault_seed: int = setting(
        1, 'seed of the faults; the same seed gives the same faults', minimum=0, maximum=2**31 - 1
    )
    loss: float = setting(0.0, 'probability that a message never arrives', minimum=0.0, maximum=1.0)
    delay_probability: float = setting(0.0, 'probability that a message is delayed', minimum=0.0, maximum=1.0)
    delay: float = setting(0.05, 'longest delay', unit='s', minimum=0.0, maximum=3600.0)
    duplication: float = setting(0.0, 'probability that a message arrives twice', minimum=0.0, maximum=1.0)
    reordering: float = setting(
        0.0, 'probability that a message is held back until later ones have passed', minimum=0.0, maximum=1.0
    )
    corruption: float = setting(
        0.0,
        'probability that a message is corrupted: NaN, infinity, another size, kind, sender or run',
        minimum=0.0,
        maximum=1.0,
    )
    hit_steps: float = setting(1.0, 'probability that faults may occur in a control step', minimum=0.0, maximum=1.0)
    deaths: str = setting('', 'agents that become silent, as agent:step:round:returns, ... (agents count from 0)')
    faulty_plant: bool = setting(False, 'whether states and actions pass the relay, too')
    log: str = setting('', 'file that lists the faults, one row for each affected message; must not exist yet')


def node_setting_names() -> frozenset[str]:
    """Names of the settings of all nodes."""
    kinds = (AgentNodeSettings, BridgeSettings, MonitorSettings, RelaySettings)
    return frozenset(entry.name for kind in kinds for entry in table(kind))
