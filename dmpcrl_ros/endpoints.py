# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Topics and services of each node of a system, which its security policy allows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from dmpcrl_ros.bringup import NodeSpec
from dmpcrl_ros.systems.reading import read_yaml
from dmpcrl_ros.systems.system import System
from dmpcrl_ros.topics import MONITOR, PLANT, agent_topic, exchange_topic, presence_topic, relayed


@dataclass(frozen=True)
class Endpoints:
    """Names of the topics and services that a node makes.

    Args:
        publishes: topics that it publishes.
        subscribes: topics that it subscribes to.
        serves: services that it offers.
    """

    publishes: frozenset[str] = frozenset()
    subscribes: frozenset[str] = frozenset()
    serves: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, publishes: Iterable[str] = (), subscribes: Iterable[str] = (), serves: Iterable[str] = ()
    ) -> 'Endpoints':
        """Endpoints of these names."""
        return cls(frozenset(publishes), frozenset(subscribes), frozenset(serves))

    def __or__(self, other: 'Endpoints') -> 'Endpoints':
        """Endpoints of both."""
        return Endpoints(**{part.name: getattr(self, part.name) | getattr(other, part.name) for part in fields(self)})

    def resolved_by(self, node: NodeSpec) -> 'Endpoints':
        """Endpoints with the full names that these names have at a node."""
        rules = {_full_name(rule, node): _full_name(name, node) for rule, name in node.remappings}

        def resolved(name: str) -> str:
            full = _full_name(name, node)
            return rules.get(full, full)

        return Endpoints(**{part.name: frozenset(map(resolved, getattr(self, part.name))) for part in fields(self)})


def endpoints_of(node: NodeSpec, system: System) -> Endpoints:
    """Full names of all topics and services of a node.

    Raises:
        NetworkError: the mapping of a bridge cannot be read.
    """
    own = _OF_EXECUTABLES[node.executable](node, system)
    return (own | _OF_EVERY_NODE).resolved_by(node)


def _agent(node: NodeSpec, system: System) -> Endpoints:
    agents, found = node.parameters['agents'], _OF_MANAGED_NODES
    for name in agents:
        neighbours = [system.names[j] for j in system.graph.neighbours[system.index(name)]]
        others = [neighbour for neighbour in neighbours if neighbour not in agents]
        sent = [agent_topic(name, topic) for topic in ('action', 'status', 'parameters')]
        found |= _presence(name, [*others, PLANT]) | Endpoints.of(
            publishes=[*sent, *(exchange_topic(name, other) for other in others)],
            subscribes=[agent_topic(name, 'state'), *(exchange_topic(other, name) for other in others)],
        )
    return found | Endpoints.of(serves=_private('set_learning', 'save', 'load', 'reset'))


def _loop(node: NodeSpec, system: System) -> Endpoints:
    """Endpoints of the plant or the bridge."""
    others = [*system.names, *([MONITOR] if node.parameters['wait_for_monitor'] else [])]
    own = Endpoints.of(
        publishes=[agent_topic(name, 'state') for name in system.names],
        subscribes=[agent_topic(name, 'action') for name in system.names],
        serves=_private('pause', 'resume', 'step', 'reset'),
    )
    return own | _OF_MANAGED_NODES | _presence(PLANT, others)


def _plant(node: NodeSpec, system: System) -> Endpoints:
    return _loop(node, system) | Endpoints.of(publishes=['/clock'])


def _bridge(node: NodeSpec, system: System) -> Endpoints:
    mapping = read_yaml(node.parameters['mapping'])
    return _loop(node, system) | Endpoints.of(publishes=_mapped(mapping, 'input'), subscribes=_mapped(mapping, 'state'))


def _monitor(node: NodeSpec, system: System) -> Endpoints:
    heard = [agent_topic(name, topic) for name in system.names for topic in ('state', 'status', 'parameters')]
    return _presence(node.name, [*system.names, PLANT]) | Endpoints.of(subscribes=heard)


def _relay(node: NodeSpec, system: System) -> Endpoints:
    heard = [
        exchange_topic(system.names[sender], system.names[receiver])
        for receiver, senders in enumerate(system.graph.neighbours)
        for sender in senders
    ]
    if node.parameters['faulty_plant']:
        heard += [agent_topic(name, topic) for name in system.names for topic in ('state', 'action')]
    return Endpoints.of(publishes=map(relayed, heard), subscribes=heard)


def _presence(member: str, others: Iterable[str]) -> Endpoints:
    """Endpoints for presence. A member also subscribes to its own topic, to detect a second instance."""
    return Endpoints.of(publishes=[presence_topic(member)], subscribes=map(presence_topic, [member, *others]))


def _private(*names: str) -> list[str]:
    """Private names of the node."""
    return [f'~/{name}' for name in names]


def _mapped(declared: Any, part: str, *, within: bool = False) -> Iterator[str]:
    """Topics of all states or all inputs in the mapping of a bridge.

    The bridge itself checks the mapping.
    """
    if isinstance(declared, dict):
        for key, value in declared.items():
            if within and key == 'topic':
                yield value
            else:
                yield from _mapped(value, part, within=within or key == part)
    elif isinstance(declared, list):
        for each in declared:
            yield from _mapped(each, part, within=within)


def _full_name(name: str, node: NodeSpec) -> str:
    """Name as ROS expands it."""
    namespace = node.full_namespace.rstrip('/')
    if name.startswith('~'):
        return f'{namespace}/{node.name}{name[1:]}'
    return name if name.startswith('/') else f'{namespace}/{name}'


_OF_EVERY_NODE = Endpoints.of(
    publishes=['/rosout', '/parameter_events'],
    serves=_private(
        'describe_parameters',
        'get_parameter_types',
        'get_parameters',
        'list_parameters',
        'set_parameters',
        'set_parameters_atomically',
        'get_type_description',
    ),
)
# of lifecycle nodes with diagnostics, whose period can be set while they run
_OF_MANAGED_NODES = Endpoints.of(
    publishes=['~/transition_event', 'diagnostics'],
    serves=_private(
        'change_state', 'get_state', 'get_available_states', 'get_available_transitions', 'get_transition_graph'
    ),
)
_OF_EXECUTABLES = {
    'dmpcrl_agent': _agent,
    'dmpcrl_plant': _plant,
    'dmpcrl_bridge': _bridge,
    'dmpcrl_monitor': _monitor,
    'dmpcrl_relay': _relay,
}
