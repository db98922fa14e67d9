"""The nodes of a scenario: the one list that the launch files and the command line start from."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any

import yaml

from dmpcrl_ros.settings.nodes import (
    AgentSettings,
    BridgeSettings,
    MonitorSettings,
    PlantSettings,
    RelaySettings,
    RunSettings,
)
from dmpcrl_ros.settings.run import SettingError
from dmpcrl_ros.systems.system import Scenario
from dmpcrl_ros.testing.fault_plan import FaultPlan
from dmpcrl_ros.topics import agent_topic, exchange_topic, relayed

_LAST_DOMAIN = 232  # the ports of the next one would lie above 65535
_KINDS = {'dmpcrl_plant': PlantSettings, 'dmpcrl_bridge': BridgeSettings, 'dmpcrl_agent': AgentSettings,
          'dmpcrl_monitor': MonitorSettings, 'dmpcrl_relay': RelaySettings}


@dataclass(frozen=True)
class NodeSpec:
    """One process: an executable of this package, where it lives in the ROS graph, its parameters, whether it is
    started again when it has died, and which topics it finds under another name."""

    executable: str
    name: str
    namespace: str
    parameters: dict[str, Any]
    respawn: bool = False
    remappings: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """Short name for logs: the agent's, or the node's."""
        return self.namespace.strip('/') or self.name

    def identity(self) -> list[str]:
        """ROS arguments for its place in the graph and its topics."""
        rules = [f'__node:={self.name}', f'__ns:={self.namespace}', *map(':='.join, self.remappings)]
        return ['--ros-args', *(word for rule in rules for word in ('-r', rule))]

    def command(self) -> list[str]:
        """What to type to start it by hand; parameters with their default values are left out."""
        defaults = asdict(_KINDS[self.executable]())
        changed = {name: value for name, value in self.parameters.items() if value != defaults[name]}
        return [self.executable, *self.identity(),
                *(word for name, value in changed.items() for word in ('-p', f'{name}:={_yaml(value)}'))]


def _yaml(value: Any) -> str:
    """A parameter on one line; a text that would be read as something else is quoted."""
    if isinstance(value, str):
        return value if yaml.safe_load(value) == value else json.dumps(value)
    return yaml.safe_dump(value).removesuffix('\n').removesuffix('\n...')


def check_domain() -> None:
    """Before anything of ROS 2 is started, which would fail in its own words.

    Raises:
        SettingError: ROS_DOMAIN_ID is set to something that is no domain.
    """
    domain = os.environ.get('ROS_DOMAIN_ID', '')
    if domain and not (domain.isdecimal() and int(domain) <= _LAST_DOMAIN):
        raise SettingError(f'ROS_DOMAIN_ID must be a whole number from 0 to {_LAST_DOMAIN}, not {domain!r}')


def isolation() -> dict[str, str]:
    """What keeps a run on this machine, unless the user has said how far ROS 2 is to reach: environment variables."""
    reach = ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER')
    return {} if any(name in os.environ for name in reach) else {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def nodes_of(settings: RunSettings, *, output: str = '', report_period: float = 5.0, faults: FaultPlan | None = None,
             fault_log: str = '', faulty_plant: bool = False) -> list[NodeSpec]:
    """Plant or bridge, one node per agent, (with an output directory) the monitor and (with faults) the relay that
    injects them: one system, of a launch of its own.

    Args:
        fault_log: file in which the relay lists the faults. faulty_plant: whether states and actions pass it, too.

    Raises:
        NetworkError: the scenario is wrong.
    """
    launch = 1 + secrets.randbelow(2**32 - 1)
    own = {'launch': launch, 'wait_for_monitor': bool(output)}
    if settings.bridge:
        settings = replace(settings, real_time=True)
        bridge = settings.of(BridgeSettings, mapping=settings.bridge, **own)
        nodes = [NodeSpec('dmpcrl_bridge', 'bridge', '/', asdict(bridge))]
    else:
        nodes = [NodeSpec('dmpcrl_plant', 'plant', '/', asdict(settings.of(PlantSettings, **own)))]
    for agent in settings.network().names:
        parameters = asdict(settings.of(AgentSettings, launch=launch, agent=agent))
        nodes.append(NodeSpec('dmpcrl_agent', 'controller', f'/{agent}', parameters))
    if output:
        monitor = settings.of(MonitorSettings, launch=launch, output=output, report_period=report_period)
        nodes.append(NodeSpec('dmpcrl_monitor', 'monitor', '/', asdict(monitor)))
    if faults:
        nodes = _through_relay(nodes, settings.network(), faulty_plant)
        relay = settings.of(RelaySettings, launch=launch, **_settings_of(faults), faulty_plant=faulty_plant,
                            log=fault_log)
        nodes.append(NodeSpec('dmpcrl_relay', 'relay', '/', asdict(relay)))
    return nodes


def _settings_of(faults: FaultPlan) -> dict[str, Any]:
    names = ('loss', 'delay_probability', 'delay', 'duplication', 'reordering', 'corruption', 'hit_steps')
    return {'fault_seed': faults.seed, 'deaths': ', '.join(map(str, faults.deaths)),
            **{name: float(getattr(faults, name)) for name in names}}


def _through_relay(nodes: list[NodeSpec], network: Scenario, faulty_plant: bool) -> list[NodeSpec]:
    """The nodes, hearing from the relay what it repeats. A monitor hears what was said."""
    heard: dict[str, list[str]] = {node.label: [] for node in nodes}
    for receiver, neighbours in enumerate(network.graph.neighbours):
        name = network.names[receiver]
        heard[name] += [exchange_topic(network.names[sender], name) for sender in neighbours]
        if faulty_plant:
            heard[name].append(agent_topic(name, 'state'))
            heard[nodes[0].label].append(agent_topic(name, 'action'))  # plant or bridge
    return [replace(node, remappings=tuple((topic, relayed(topic)) for topic in heard[node.label])) for node in nodes]
