# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Node of one or several agents, a lifecycle node.

For each of its agents it subscribes: <agent>/state (State), <neighbour>/to/<agent> (Exchange) and <neighbour>/presence
(Presence) for every neighbour in another process, plant/presence; and publishes: <agent>/action (Action),
<agent>/status (Status), <agent>/parameters (Parameters, latched), <agent>/to/<neighbour> (Exchange), <agent>/presence
(Presence, latched), to which it also subscribes, to detect another instance of itself. It also publishes diagnostics
(diagnostic_msgs/DiagnosticArray). All names are relative to the namespace of the system.
Services: ~/set_learning (std_srvs/SetBool), which sets the parameter learn; ~/reset to the first parameters, ~/save and
~/load checkpoints (std_srvs/Trigger); each for all agents of the node.
Parameters: the common settings, those of the system and of the method (settings.run), and those of
settings.nodes.AgentNodeSettings; qos_overrides.<topic>.<publisher or subscription>.<policy>.
"""

import sys
from collections.abc import Sequence

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.nodes.agent_services import AgentServices
from dmpcrl_ros.nodes.common import run_node, wait_until_matched
from dmpcrl_ros.nodes.hosted_agent import HostedAgent
from dmpcrl_ros.nodes.managed import ManagedNode
from dmpcrl_ros.nodes.presence import check
from dmpcrl_ros.nodes.signals import SPIN_SLICE, running
from dmpcrl_ros.settings.nodes import AgentNodeSettings
from dmpcrl_ros.transport.engine_host import EngineHost


class AgentNode(ManagedNode[AgentNodeSettings]):
    """Runs agents: each receives a state, publishes the action, then learns."""

    def __init__(self) -> None:
        super().__init__('controller', AgentNodeSettings, of_method=True, live={'learn'})
        self.add_on_set_parameters_callback(self._check_learning)

    @property
    def learning(self) -> bool:
        """Whether the agents should learn, by the parameter `learn`, which ~/set_learning sets, too."""
        return self.get_parameter('learn').value

    def configure(self) -> None:
        """Make the agents and their topics; agents continue from their checkpoints."""
        if not self.options.agents:
            raise SettingError('agents must name the agents that this node runs')
        if len(set(self.options.agents)) < len(self.options.agents):
            raise SettingError(f'agents must be different, not {", ".join(self.options.agents)}')
        system, self._host = self.settings.make_system(), EngineHost()
        indices = [system.index(name) for name in self.options.agents]
        self._agents = [HostedAgent(self, self._host, system, i, frozenset(indices)) for i in indices]
        for agent in self._agents:
            agent.checkpoints.recover()
        AgentServices(self, [agent.checkpoints for agent in self._agents])

    def work(self) -> None:
        """Wait for the network, then run a step for each state."""
        wait_until_matched(self, self.executor_, self._missing, self.options.start_timeout)
        if not self.active:
            return
        for agent in self._agents:
            agent.listen()
        while self.active and running():
            for agent in self._agents:
                agent.presence.check_alone()
                agent.serve()
            self._host.run_due()
            self.executor_.spin_once(timeout_sec=self._host.wait(SPIN_SLICE))

    def halt(self) -> None:
        """Answer the present states with the safe actions, also during a step."""
        for agent in self._agents:
            agent.halt()

    def release(self) -> None:
        """Drop the agents."""
        del self._agents, self._host

    def _check_learning(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Refuse learning for agents without a learner."""
        if not self.settings.learn and any(each.name == 'learn' and each.value for each in parameters):
            return SetParametersResult(
                successful=False,
                reason='learn was false at the start, and the agents have no learner: start the node with learn true',
            )
        return SetParametersResult(successful=True)

    def _missing(self) -> list[str]:
        if not self.active:
            return []
        check([agent.presence for agent in self._agents])
        return list(dict.fromkeys(name for agent in self._agents for name in agent.missing()))


def main() -> int:
    """Run the executable dmpcrl_agent."""
    return run_node(AgentNode, 'dmpcrl_agent')


if __name__ == '__main__':
    sys.exit(main())
