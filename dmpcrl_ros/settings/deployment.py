# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings of the deployment of a system over ROS 2; settings.run has those that determine its numbers."""

import math
from dataclasses import dataclass, fields
from typing import Any

from dmpcrl_ros.core.settings import Kind, setting
from dmpcrl_ros.systems.system import System

_SHARE_FOR_ACTING = 0.7  # of the period until the default deadline of actions; the rest is for learning


@dataclass(frozen=True, kw_only=True)
class StartSettings:
    """Settings of all nodes that wait for others at the start."""

    start_timeout: float = setting(
        60.0, 'longest wait for the other nodes at the start', unit='s', minimum=1.0, maximum=3600.0
    )


@dataclass(frozen=True, kw_only=True)
class ClockSettings(StartSettings):
    """Settings of the clock of a system."""

    real_time: bool = setting(
        False,
        'advance the plant with the clock, without waiting for agents; it applies the inputs that have arrived; '
        'otherwise it waits for those of all agents, as fast as the machine allows',
    )
    period: float | None = setting(
        None,
        'duration of a control step; auto takes that of the system (0.1 s for linear networks)',
        kind=float,
        absent='auto',
        unit='s',
        minimum=0.001,
        maximum=3600.0,
    )
    speed: float = setting(
        1.0, 'seconds of the plant per second of the clock, in real time', minimum=0.001, maximum=1000.0
    )

    def period_of(self, system: System) -> float:
        """Duration of a control step of the plant [s]."""
        return self.period or system.period


@dataclass(frozen=True, kw_only=True)
class LearnedSettings:
    """Settings of what agents have learned: where they keep it, and what they begin with."""

    checkpoints: str = setting(
        '',
        'folder in which agents keep what they have learned; they continue from it when they start again; '
        'empty keeps nothing',
    )
    checkpoint_every: int | None = setting(
        50,
        'updates between two checkpoints; never saves only on request and at the end',
        kind=int,
        absent='never',
        minimum=1,
        maximum=10**6,
    )
    start_from: str = setting(
        '',
        'directory of a run, or folder of checkpoints, to begin with; an agent that has a checkpoint of its own '
        'continues from that; empty begins with the parameters of the system',
    )


@dataclass(frozen=True, kw_only=True)
class AgentOptions(ClockSettings, LearnedSettings):
    """Settings that all agents of a system share."""

    round_timeout: float | None = setting(
        5.0,
        'longest wait for an answer in a communication round; then the agent gives up the step; a short timeout '
        'recovers quickly, one that is too short gives up healthy rounds',
        kind=float,
        absent='never',
        unit='s',
        minimum=0.001,
        maximum=3600.0,
        live=True,
    )
    resend_after: float | None = setting(
        0.1,
        'time without progress after which agents send again; they repeat messages that neighbours may lack, at '
        'most 20 times, for networks that lose messages',
        kind=float,
        absent='never',
        unit='s',
        minimum=0.001,
        maximum=3600.0,
        live=True,
    )
    optional_timeout: float = setting(
        0.5, 'longest wait for the optional senders of a round', unit='s', minimum=0.001, maximum=3600.0, live=True
    )
    action_deadline: float | None = setting(
        None,
        'longest time from a state to the action; an agent then acts on the iterate that it has, and no agent '
        'learns from that step; auto sets 70 % of the period in real time, and no limit otherwise',
        kind=float,
        absent='auto',
        unit='s',
        minimum=0.001,
        maximum=3600.0,
        live=True,
    )
    lost_neighbours: str = setting(
        'fall-back',
        'reaction of agents to the loss of a neighbour; fall-back follows the last plan and then takes the '
        'safe input; leave-out continues from the next step on without the neighbour, holds its last prediction '
        'and does not learn',
        choices=('fall-back', 'leave-out'),
    )

    def timeouts(self) -> dict[str, float]:
        """Timeouts of a round engine by their names [s]; infinite for never."""
        return {
            'round_timeout': self.round_timeout or math.inf,
            'resend_after': self.resend_after or math.inf,
            'optional_timeout': self.optional_timeout,
        }

    def deadline_in(self, system: System) -> float | None:
        """Time from a state to the action [s of the clock]; None for no limit."""
        if self.action_deadline or not self.real_time:
            return self.action_deadline
        return _SHARE_FOR_ACTING * self.period_of(system) / self.speed


@dataclass(frozen=True, kw_only=True)
class LoopOptions(ClockSettings):
    """Settings of the plant node, whether it simulates or is a bridge to a robot."""

    action_timeout: float | None = setting(
        30.0,
        'longest wait for the action of an agent, without real time; then the run ends with an error',
        kind=float,
        absent='never',
        unit='s',
        minimum=0.1,
        maximum=3600.0,
        live=True,
    )
    hold_steps: int = setting(
        3,
        'steps for which the last input replaces a missing one, in real time; after them the safe input is applied',
        minimum=0,
        maximum=1000,
        live=True,
    )


@dataclass(frozen=True, kw_only=True)
class DiagnosticsSettings:
    """Settings of all nodes that publish diagnostics."""

    diagnostics_period: float | None = setting(
        1.0,
        'time between two messages on /diagnostics',
        kind=float,
        absent='never',
        unit='s',
        minimum=0.01,
        maximum=3600.0,
        live=True,
    )


@dataclass(frozen=True, kw_only=True)
class SensorSettings:
    """Settings of the measurements of a bridge."""

    sensor_timeout: float = setting(
        0.5,
        'age at which a measurement counts as missing; the agents then receive no state, and '
        'the safe inputs are applied',
        unit='s',
        minimum=0.001,
        maximum=3600.0,
        live=True,
    )


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings(AgentOptions, LoopOptions, DiagnosticsSettings, SensorSettings):
    """Settings of a whole system over ROS 2."""

    namespace: str = setting(
        '', 'ROS namespace of all nodes and topics of the system; two systems in one domain need two'
    )
    agents_per_process: int = setting(
        1,
        'number of agents that share a node; more of them need fewer processes, and exchange messages in the process',
        minimum=1,
        maximum=10000,
    )
    bridge: str = setting(
        '',
        'YAML file of a bridge to a robot or a physics simulator; it maps standard topics to states and '
        'inputs of the agents, and the bridge replaces the simulated plant, in real time',
    )
    enclave: str = setting(
        '', 'root of the SROS 2 enclaves: each node has its own, /<enclave>/<namespace>/<node>; empty for no enclaves'
    )

    def part(self, kind: type[Kind], **own: Any) -> Kind:
        """Settings of one node.

        Args:
            kind: class of the settings of the node.
            own: settings that only this node has.
        """
        shared = {entry.name for entry in fields(kind)} & {entry.name for entry in fields(self)} - set(own)
        return kind(**{name: getattr(self, name) for name in shared}, **own)


@dataclass(frozen=True, kw_only=True)
class LifecycleSettings:
    """Setting of all nodes with a lifecycle."""

    autostart: bool = setting(
        True, 'whether the node configures and activates itself; otherwise a lifecycle manager does'
    )


@dataclass(frozen=True, kw_only=True)
class LaunchSettings(LifecycleSettings):
    """Settings of a launch, beside those of the run and of the system over ROS 2."""

    output: str = setting('', 'directory in which a monitor records the run; empty records nothing')
    params_file: str = setting(
        '',
        'YAML file of ROS 2 parameters; what it has for all nodes (/**) counts in place of the defaults here, and what '
        'it has for one node reaches this node alone',
    )
    respawn: bool = setting(False, 'whether an agent that has died is started again; otherwise all nodes end')
    use_sim_time: bool = setting(
        False, 'whether the clock of the nodes is /clock, as with a simulator that publishes it'
    )
    log_level: str = setting('info', 'debug, info, warn, error or fatal; of one logger: name:=debug')
