"""The nodes of a scenario: the one list that the launch files and the command line start from."""

import os
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from dmpcrl_ros.node_settings import AgentSettings, MonitorSettings, PlantSettings, RunSettings
from dmpcrl_ros.settings import SettingError

_LAST_DOMAIN = 232  # the ports of the next one would lie above 65535


@dataclass(frozen=True)
class NodeSpec:
    """One process: an executable of this package, where it lives in the ROS graph, its parameters, and whether it is
    started again when it has died."""

    executable: str
    name: str
    namespace: str
    parameters: dict[str, Any]
    respawn: bool = False

    @property
    def label(self) -> str:
        """Short name for logs: the agent's, or the node's."""
        return self.namespace.strip('/') or self.name


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


def nodes_of(settings: RunSettings, *, output: str = '', report_period: float = 5.0) -> list[NodeSpec]:
    """Plant, one node per agent, and (with an output directory) the monitor: one system, of a launch of its own.

    Raises:
        NetworkError: the scenario is wrong.
    """
    launch = 1 + secrets.randbelow(2**32 - 1)
    plant = settings.of(PlantSettings, launch=launch, wait_for_monitor=bool(output))
    nodes = [NodeSpec('dmpcrl_plant', 'plant', '/', asdict(plant))]
    for agent in settings.network().agents:
        parameters = asdict(settings.of(AgentSettings, launch=launch, agent=agent))
        nodes.append(NodeSpec('dmpcrl_agent', 'controller', f'/{agent}', parameters))
    if output:
        monitor = settings.of(MonitorSettings, launch=launch, output=output, report_period=report_period)
        nodes.append(NodeSpec('dmpcrl_monitor', 'monitor', '/', asdict(monitor)))
    return nodes
