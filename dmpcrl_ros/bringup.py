# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""List of the nodes of a system, for the launch files and the command line."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dmpcrl_ros.core.settings import Setting, SettingError, flat, table
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.settings.deployment import DeploymentSettings
from dmpcrl_ros.settings.nodes import AgentNodeSettings, BridgeSettings, MonitorSettings, PlantSettings, RelaySettings
from dmpcrl_ros.settings.run import CommonSettings, Settings, system_table
from dmpcrl_ros.systems.registry import system_source
from dmpcrl_ros.systems.system import System
from dmpcrl_ros.testing.fault_plan import FaultPlan
from dmpcrl_ros.topics import agent_topic, exchange_topic, relayed

_ENCLAVE = re.compile(r'/|/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
_PLAIN = re.compile(r'[A-Za-z/][\w/.-]+')  # a text of two characters at least
_NOT_TEXT = {'true', 'false', 'yes', 'no', 'on', 'off', 'null', 'inf', 'infinity', 'nan'}
_LAST_DOMAIN = 232  # the ports of the next one would lie above 65535
# Class of the settings of each executable, and whether it also has those of the method.
_KINDS: dict[str, tuple[type, bool]] = {
    'dmpcrl_plant': (PlantSettings, False),
    'dmpcrl_bridge': (BridgeSettings, False),
    'dmpcrl_agent': (AgentNodeSettings, True),
    'dmpcrl_monitor': (MonitorSettings, True),
    'dmpcrl_relay': (RelaySettings, False),
}


@dataclass(frozen=True)
class NodeSpec:
    """One process of a system.

    Args:
        executable: of this package.
        name: of the node.
        parameters: values of the ROS parameters by their names.
        namespace: of the system; under launch it is relative to that of the launch file.
        respawn: whether it is started again when it has died.
        remappings: topics, and their new names at this node.
        enclave: of SROS 2, with its keys and permissions; empty for none.
    """

    executable: str
    name: str
    parameters: dict[str, Any]
    namespace: str = ''
    respawn: bool = False
    remappings: tuple[tuple[str, str], ...] = ()
    enclave: str = ''

    @property
    def full_namespace(self) -> str:
        """Its namespace where it is not started under launch."""
        return f'/{self.namespace.strip("/")}'

    def identity(self) -> list[str]:
        """ROS arguments for its place in the graph, its topics and its enclave."""
        rules = [f'__node:={self.name}', f'__ns:={self.full_namespace}', *map(':='.join, self.remappings)]
        return ['--ros-args', *(word for rule in rules for word in ('-r', rule)), *self.security()]

    def security(self) -> list[str]:
        """ROS arguments for its enclave."""
        return ['--enclave', self.enclave] if self.enclave else []

    def command(self) -> list[str]:
        """Words of the command that starts the node by hand, without parameters at their defaults."""
        defaults = self.defaults()
        changed = [(name, value) for name, value in self.parameters.items() if value != defaults[name]]
        return [
            self.executable,
            *self.identity(),
            *(word for name, value in changed for word in ('-p', _rule(name, value))),
        ]

    def parameter_file(self) -> str:
        """Content of a file with its parameters, for this node only; without empty lists, which have no type."""
        values = {name: value for name, value in self.parameters.items() if value != []}
        return _as_yaml({'/**': {'ros__parameters': values}})

    def defaults(self) -> dict[str, Any]:
        """Values of its parameters where none are given, as ROS has them."""
        return {entry.name: entry.plain(entry.default) for entry in node_table(self.executable, self.parameters)}


def _rule(name: str, value: Any) -> str:
    """Parameter rule of a command line, with quotes around a text that ROS 2 could take for something else."""
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT
    return f'{name}:={value if plain else _as_yaml(value)}'


def _as_yaml(value: Any) -> str:
    """JSON on one line, which is YAML with quotes around each text: ROS 2 takes y and no for truth values."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def check_domain() -> None:
    """Check ROS_DOMAIN_ID before ROS 2 starts, because its own error would be unclear.

    Raises:
        SettingError: ROS_DOMAIN_ID is not the number of a domain.
    """
    domain = os.environ.get('ROS_DOMAIN_ID', '')
    if domain and not (domain.isdecimal() and int(domain) <= _LAST_DOMAIN):
        raise SettingError(f'ROS_DOMAIN_ID must be a whole number from 0 to {_LAST_DOMAIN}, not {domain!r}')


def isolation() -> dict[str, str]:
    """Environment variables that keep a run on this machine, unless the user has set the range of discovery."""
    reach = ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER')
    return {} if any(name in os.environ for name in reach) else {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def node_table(executable: str, parameters: Mapping[str, Any]) -> list[Setting]:
    """All settings of a node, for the system and the method of its parameters."""
    kind, of_method = _KINDS[executable]
    own = table(METHODS[parameters['method']].settings) if of_method else []
    return [*table(CommonSettings), *system_table(system_source(parameters['system'])), *own, *table(kind)]


def nodes_of(
    settings: Settings,
    deployment: DeploymentSettings,
    *,
    output: str = '',
    report_period: float | None = 5.0,
    faults: FaultPlan | None = None,
    fault_log: str = '',
    faulty_plant: bool = False,
) -> list[NodeSpec]:
    """List the nodes of one system.

    They are the plant or the bridge, the agents, a monitor if there is an output directory, and a relay if there are
    faults to inject.

    Args:
        settings: of the run.
        deployment: how it runs over ROS 2.
        output: directory in which a monitor records the run; empty for no monitor.
        report_period: time between two lines of progress in the log of the monitor [s]; None for no such lines.
        faults: to be injected; None for no relay.
        fault_log: file in which the relay lists the faults.
        faulty_plant: whether states and actions pass the relay, too.

    Raises:
        NetworkError: the description of the system is wrong.
        SettingError: the enclave is not a valid name.
    """
    system = settings.make_system()
    if deployment.bridge:
        deployment = replace(deployment, real_time=True)
    nodes = [_plant(settings, deployment, wait_for_monitor=bool(output)), *_agents(settings, deployment, system)]
    if output:
        monitor = deployment.part(MonitorSettings, output=output, report_period=report_period)
        nodes.append(_node(settings, 'dmpcrl_monitor', 'monitor', monitor))
    if faults:
        nodes = _through_relay(nodes, system, faulty_plant)
        relay = RelaySettings(**_settings_of(faults), faulty_plant=faulty_plant, log=fault_log)
        nodes.append(_node(settings, 'dmpcrl_relay', 'relay', relay))
    return [replace(node, namespace=deployment.namespace, enclave=_enclave(deployment, node.name)) for node in nodes]


def _enclave(deployment: DeploymentSettings, node: str) -> str:
    """Enclave of a node below the root; empty without a root.

    Raises:
        SettingError: the root is not a valid name.
    """
    root = deployment.enclave
    if not root:
        return ''
    if not _ENCLAVE.fullmatch(root):
        raise SettingError(
            f'enclave must be names of letters, digits and _ between slashes, such as /plant_1, not {root!r}'
        )
    return '/'.join(['', *filter(None, (root.strip('/'), deployment.namespace.strip('/'), node))])


def respawning(nodes: list[NodeSpec]) -> list[NodeSpec]:
    """The nodes, of which those of agents are started again when they have died."""
    return [replace(node, respawn=bool(node.parameters.get('agents'))) for node in nodes]


def _plant(settings: Settings, deployment: DeploymentSettings, **own: Any) -> NodeSpec:
    if deployment.bridge:
        bridge = deployment.part(BridgeSettings, mapping=deployment.bridge, **own)
        return _node(settings, 'dmpcrl_bridge', 'bridge', bridge)
    return _node(settings, 'dmpcrl_plant', 'plant', deployment.part(PlantSettings, **own))


def _agents(settings: Settings, deployment: DeploymentSettings, system: System) -> list[NodeSpec]:
    """One node for each group of neighbouring agents."""
    size, nodes = deployment.agents_per_process, []
    for first in range(0, system.n_agents, size):
        members = system.names[first : first + size]
        name = members[0] if size == 1 else f'controllers_{first // size + 1}'
        nodes.append(_node(settings, 'dmpcrl_agent', name, deployment.part(AgentNodeSettings, agents=members)))
    return nodes


def _node(settings: Settings, executable: str, name: str, own: Any) -> NodeSpec:
    """Node with its part of the settings of the run, and its own."""
    values = settings.values() | dict(flat(own))
    entries = node_table(executable, values)
    return NodeSpec(executable, name, {entry.name: entry.plain(values[entry.name]) for entry in entries})


def _settings_of(faults: FaultPlan) -> dict[str, Any]:
    names = ('loss', 'delay_probability', 'delay', 'duplication', 'reordering', 'corruption', 'hit_steps')
    return {
        'fault_seed': faults.seed,
        'deaths': ', '.join(map(str, faults.deaths)),
        **{name: float(getattr(faults, name)) for name in names},
    }


def _through_relay(nodes: list[NodeSpec], system: System, faulty_plant: bool) -> list[NodeSpec]:
    """Nodes with their subscriptions remapped to the topics of the relay.

    A monitor subscribes to the original topics.
    """
    remapped = []
    for node in nodes:
        heard = []
        for name in node.parameters.get('agents', ()):
            heard += [
                exchange_topic(system.names[sender], name)
                for sender in system.graph.neighbours[system.index(name)]
                if system.names[sender] not in node.parameters['agents']
            ]
            heard += [agent_topic(name, 'state')] if faulty_plant else []
        if faulty_plant and node.executable in ('dmpcrl_plant', 'dmpcrl_bridge'):
            heard += [agent_topic(name, 'action') for name in system.names]
        remapped.append(replace(node, remappings=tuple((topic, relayed(topic)) for topic in heard)))
    return remapped
