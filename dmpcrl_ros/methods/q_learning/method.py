# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Distributed MPC as a function approximator for multi-agent Q-learning (paper 001).

The second-order form is that of paper 000.
"""

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.methods.admm_agent import AdmmAgent
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.methods.mpc_agent import Learning
from dmpcrl_ros.methods.mpc_build import consensus_alone, consensus_of, coordinated_agent, coordinated_twin
from dmpcrl_ros.methods.mpc_step import METRICS
from dmpcrl_ros.methods.packed_agent import PackedAgent
from dmpcrl_ros.methods.q_learning.build import learning_parts
from dmpcrl_ros.methods.q_learning.second_order import CentralNewton, DistributedNewton
from dmpcrl_ros.methods.q_learning.settings import AS_RELEASED, QLearningSettings
from dmpcrl_ros.mpc.programme import QpSolution
from dmpcrl_ros.systems.mpc_system import MpcSystem


class QLearningOfMpc:
    """Every agent learns the parameters of its MPC from TD errors on which all agree (a CentralisedMethod)."""

    name = 'q_learning'
    title = 'Q-learning of the parameters of a distributed MPC (papers 001 and 000)'
    settings = QLearningSettings
    requires = MpcSystem
    metrics = (
        *METRICS,
        Metric(name='curvature_reversed', meaning='transitions of the batch whose negative curvature was reversed'),
        Metric(
            name='step_scale', meaning='factor by which the step of the whole network was shortened; 1 for a full step'
        ),
        Metric(name='parameters_held', meaning='parameters of this agent that were held at a bound'),
    )

    def layout(self, system: MpcSystem, index: int) -> ParameterLayout:
        """Names of the parameters of one agent."""
        return system.parameters(index)[0]

    def agent(
        self, system: MpcSystem, index: int, settings: QLearningSettings, *, seed: int, learn: bool
    ) -> AdmmAgent[QpSolution] | PackedAgent:
        """One agent. It uses its own data of the system, and the shapes of its parents' states.

        Sizes of variables and costs, for robust learning and the guard, follow from the description of the network.
        """
        consensus, theta = consensus_of(system, index, settings), system.parameters(index)[1]
        newton = DistributedNewton(
            consensus,
            definite=settings.learning.curvature != 'keep',
            as_released=settings.learning.order == AS_RELEASED,
        )
        learning = (
            learning_parts(system, settings.learning, (index,), newton, consensus, system.n_agents, seed)
            if learn
            else Learning()
        )
        return coordinated_agent(system, settings, index, theta, consensus, learning)

    def central_agent(
        self, system: MpcSystem, settings: QLearningSettings, *, seed: int, learn: bool
    ) -> AdmmAgent[QpSolution] | PackedAgent:
        """The centralised twin: one controller with the whole state, all inputs and all parameters."""
        if learn and settings.learning.order == AS_RELEASED:
            raise SettingError(
                f'learning.order {AS_RELEASED} has no centralised twin: it exists for distributed agents only'
            )
        newton = CentralNewton(definite=settings.learning.curvature != 'keep')
        every = range(system.n_agents)
        learning = (
            learning_parts(system, settings.learning, every, newton, consensus_alone(), 1, seed)
            if learn
            else Learning()
        )
        return coordinated_twin(system, settings, lambda i: system.parameters(i)[1], learning)


Q_LEARNING = QLearningOfMpc()
