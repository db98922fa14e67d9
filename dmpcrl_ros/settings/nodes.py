"""The settings of the nodes: how a system runs, beside what decides its numbers (settings.Settings)."""

from dataclasses import dataclass, fields
from typing import Any, TypeVar

from dmpcrl_ros.settings.run import Settings, setting
from dmpcrl_ros.systems.system import Scenario

Kind = TypeVar('Kind', bound=Settings)
_SHARE_FOR_ACTING = 0.7  # of the period, in which agents decide unless told otherwise; learning has the rest


@dataclass(frozen=True, kw_only=True)
class Timing(Settings):
    """Which clock a system follows."""

    real_time: bool = setting(False, 'the plant advances with the clock and takes the inputs that are there; otherwise '
                                     'it waits for those of all agents, as fast as the machine allows')
    period: float = setting(0.0, 'of a control step; 0 takes that of the scenario (0.1 s for linear networks)',
                            unit='s', minimum=0.0, maximum=3600.0)
    speed: float = setting(1.0, 'in real time: seconds of the plant per second of the clock', minimum=0.001,
                           maximum=1000.0)
    start_timeout: float = setting(60.0, 'how long to wait at the start for all who are needed', unit='s', minimum=1.0,
                                   maximum=3600.0)

    def period_of(self, network: Scenario) -> float:
        """Time of a control step of the plant [s]."""
        return self.period or network.period


@dataclass(frozen=True, kw_only=True)
class AgentOptions(Timing):
    """What all agents of a system share."""

    round_timeout: float = setting(5.0, 'a communication round without an answer for this long is given up, and with '
                                        'it the step; short is quick to recover, too short gives up healthy rounds; '
                                        '0 never gives up', unit='s', minimum=0.0, maximum=3600.0)
    resend_after: float = setting(0.1, 'without progress for this long, agents send again what they sent in the last '
                                       'two rounds, at most 20 times: for networks that lose messages; 0 never does',
                                  unit='s', minimum=0.0, maximum=3600.0)
    action_deadline: float = setting(0.0, 'after its state an agent acts on what ADMM has by then, and nobody learns '
                                          'from that step; 0 sets none, in real time 70 % of the period', unit='s',
                                     minimum=0.0, maximum=3600.0)
    lost_neighbours: str = setting('fall-back', 'what agents do whose neighbour is lost: fall-back on the last plan '
                                                'and then the safe input, or, from the step after, leave-out: go on '
                                                'with a network without it, its last prediction held, and learn '
                                                'nothing', choices=('fall-back', 'leave-out'))
    checkpoints: str = setting('', 'folder in which every agent keeps what it has learned and from which it goes on '
                                   'when it starts again; empty keeps nothing')
    checkpoint_every: int = setting(50, 'updates between two checkpoints; 0 saves only when asked to or at the end',
                                    minimum=0, maximum=10**6)

    def deadline_in(self, network: Scenario) -> float:
        """Time from a state to the action [s of the clock]; 0 for as long as it takes."""
        return self.action_deadline or self.real_time * _SHARE_FOR_ACTING * self.period_of(network) / self.speed


@dataclass(frozen=True, kw_only=True)
class PlantOptions(Timing):
    """Of whatever stands for the plant: the simulation, or the bridge to a robot."""

    action_timeout: float = setting(30.0, 'without real time: the run ends with an error when an agent has not '
                                          'answered a state for this long; 0 waits', unit='s', minimum=0.0,
                                    maximum=3600.0)
    hold_steps: int = setting(3, 'for how many control steps on end the last input of an agent is held when none comes '
                                 'in real time, before its safe input is applied', minimum=0, maximum=1000)


@dataclass(frozen=True, kw_only=True)
class Diagnosed(Settings):
    """Of all that tell how they are."""

    diagnostics_period: float = setting(1.0, 'time between two messages on /diagnostics; 0 sends none', unit='s',
                                        minimum=0.0, maximum=3600.0)


@dataclass(frozen=True, kw_only=True)
class RunSettings(AgentOptions, PlantOptions, Diagnosed):
    """A whole system."""

    bridge: str = setting('', 'YAML file that maps standard topics to states and inputs of the agents: a robot or a '
                              'physics simulator in place of the simulated plant, in real time')
    sensor_timeout: float = setting(0.5, 'with a bridge: a measurement older than this is none; the agents are told of '
                                         'no state and the safe inputs are applied', unit='s', minimum=0.001,
                                    maximum=3600.0)

    def of(self, kind: type[Kind], **own: Any) -> Kind:
        """Settings of one of its nodes, whose own are given."""
        shared = {entry.name for entry in fields(kind)} & {entry.name for entry in fields(self)} - set(own)
        return kind(**{name: getattr(self, name) for name in shared}, **own)


@dataclass(frozen=True, kw_only=True)
class NodeSettings(Settings):
    """Of any node."""

    launch: int = setting(0, 'number that the nodes of one system share, drawn by whatever starts them all; what nodes '
                             'of another number say is dropped; 0 if they are started by hand', minimum=0,
                          maximum=2**32 - 1)


@dataclass(frozen=True, kw_only=True)
class ManagedSettings(Diagnosed, NodeSettings):
    """Of a lifecycle node."""

    autostart: bool = setting(True, 'whether the node configures and activates itself; otherwise a lifecycle manager '
                                    'does')


@dataclass(frozen=True, kw_only=True)
class AgentSettings(AgentOptions, ManagedSettings):
    """Of an agent node."""

    agent: str = setting('', 'name of the agent that this node is')


@dataclass(frozen=True, kw_only=True)
class PlantSettings(PlantOptions, ManagedSettings):
    """Of the plant node."""

    wait_for_monitor: bool = setting(False, 'whether the run begins only when a monitor listens')


@dataclass(frozen=True, kw_only=True)
class BridgeSettings(PlantSettings):
    """Of the bridge to a robot or a physics simulator, which does not wait: real_time must be true."""

    mapping: str = setting('', 'path of the YAML file that maps standard topics to states and inputs of the agents')
    sensor_timeout: float = setting(0.5, 'a measurement older than this is none: the agents are told of no state and '
                                         'the safe inputs are applied', unit='s', minimum=0.001, maximum=3600.0)


@dataclass(frozen=True, kw_only=True)
class MonitorSettings(NodeSettings):
    """Of the monitor node."""

    output: str = setting('', 'directory of the run; must not hold one yet')
    report_period: float = setting(5.0, 'time between two lines of progress in the log; 0 says nothing', unit='s',
                                   minimum=0.0, maximum=3600.0)
    silence_timeout: float = setting(90.0, 'the recording ends with an error when nothing was heard for this long',
                                     unit='s', minimum=1.0, maximum=3600.0)


@dataclass(frozen=True, kw_only=True)
class RelaySettings(NodeSettings):
    """Settings of the relay that injects faults: those of a FaultPlan."""

    fault_seed: int = setting(1, 'of the faults: the same seed, the same faults', minimum=0, maximum=2**31 - 1)
    loss: float = setting(0.0, 'probability that a message never arrives', minimum=0.0, maximum=1.0)
    delay_probability: float = setting(0.0, 'probability that a message is late', minimum=0.0, maximum=1.0)
    delay: float = setting(0.05, 'longest time by which a message is late', unit='s', minimum=0.0, maximum=3600.0)
    duplication: float = setting(0.0, 'probability that a message arrives twice', minimum=0.0, maximum=1.0)
    reordering: float = setting(0.0, 'probability that a message is held back for those after it to pass', minimum=0.0,
                                maximum=1.0)
    corruption: float = setting(0.0, 'probability that a message is corrupted: NaN, infinity, another size, kind, sender '
                                     'or run', minimum=0.0, maximum=1.0)
    hit_steps: float = setting(1.0, 'probability that a control step is hit by faults at all', minimum=0.0, maximum=1.0)
    deaths: str = setting('', 'agents that fall silent, as agent:step:round:returns, ... (numbers, of agents from 0)')
    faulty_plant: bool = setting(False, 'whether states and actions pass the relay, too')
    log: str = setting('', 'file that lists the faults, one row for each message that was hit; must not exist yet')
