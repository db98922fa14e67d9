# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Nominal MPC, a baseline of paper 001: the same MPC as that of the learning agents, without offsets."""

from dataclasses import dataclass

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.admm_agent import AdmmAgent
from dmpcrl_ros.methods.mpc_build import consensus_of, coordinated_agent, coordinated_twin
from dmpcrl_ros.methods.mpc_settings import BaselineSettings, CoordinationSettings
from dmpcrl_ros.methods.mpc_step import METRICS
from dmpcrl_ros.methods.packed_agent import PackedAgent
from dmpcrl_ros.mpc.programme import QpSolution
from dmpcrl_ros.systems.mpc_system import MpcSystem


@dataclass(frozen=True, kw_only=True)
class NominalMpcSettings(CoordinationSettings, BaselineSettings):
    """Settings of nominal MPC."""


class NominalMpc:
    """MPC without learning, with the inexact or the exact model (a CentralisedMethod)."""

    name = 'nominal_mpc'
    title = 'MPC that does not learn, with the inexact or the exact model (paper 001)'
    settings = NominalMpcSettings
    requires = MpcSystem
    metrics = METRICS

    def layout(self, system: MpcSystem, index: int) -> ParameterLayout:
        """Names of the parameters of one agent."""
        return system.parameters(index)[0]

    def agent(
        self, system: MpcSystem, index: int, settings: NominalMpcSettings, *, seed: int, learn: bool
    ) -> AdmmAgent[QpSolution] | PackedAgent:
        """One agent."""
        system = system.for_baselines()
        theta = system.model_parameters(index, exact=settings.model == 'exact')
        return coordinated_agent(system, settings, index, theta, consensus_of(system, index, settings))

    def central_agent(
        self, system: MpcSystem, settings: NominalMpcSettings, *, seed: int, learn: bool
    ) -> AdmmAgent[QpSolution] | PackedAgent:
        """The centralised twin."""
        system, exact = system.for_baselines(), settings.model == 'exact'
        return coordinated_twin(system, settings, lambda i: system.model_parameters(i, exact=exact))


NOMINAL_MPC = NominalMpc()
