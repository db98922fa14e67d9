# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Scenario-based stochastic MPC, a baseline of paper 001: the mean cost of sampled models and disturbances."""

from dataclasses import dataclass, replace

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.settings import setting
from dmpcrl_ros.methods.admm_agent import AdmmAgent
from dmpcrl_ros.methods.mpc_build import central_parameters, central_parts, consensus_of, first_programme, mpc_agent
from dmpcrl_ros.methods.mpc_settings import BaselineSettings
from dmpcrl_ros.methods.mpc_step import METRICS
from dmpcrl_ros.methods.scenario_mpc.central import CentralScenarioMpc, InputSolution
from dmpcrl_ros.methods.scenario_mpc.local import ScenarioMpc, ScenarioSolution
from dmpcrl_ros.mpc.admm import Admm
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.systems.mpc_system import MpcSystem


@dataclass(frozen=True, kw_only=True)
class ScenarioMpcSettings(BaselineSettings):
    """Settings of scenario-based MPC."""

    scenarios: int = setting(
        25,
        'number of scenarios, drawn once for a run; more of them are more robust, with more time for each step '
        'and longer messages',
        minimum=1,
        maximum=1000,
    )


class ScenarioBasedMpc:
    """MPC of the mean cost of scenarios with the same inputs, without learning (a CentralisedMethod)."""

    name = 'scenario_mpc'
    title = 'stochastic MPC of the mean cost of sampled models and disturbances, which does not learn (paper 001)'
    settings = ScenarioMpcSettings
    requires = MpcSystem
    metrics = METRICS

    def layout(self, system: MpcSystem, index: int) -> ParameterLayout:
        """Names of the parameters of one agent, from which its scenarios deviate."""
        return system.parameters(index)[0]

    def agent(
        self, system: MpcSystem, index: int, settings: ScenarioMpcSettings, *, seed: int, learn: bool
    ) -> AdmmAgent[ScenarioSolution]:
        """One agent. The module `local` explains rho/S."""
        system = system.for_baselines().for_scenario_mpc()
        count, shapes = settings.scenarios, system.trajectory_shapes(index)
        options = settings.admm.options(system.defaults, system.scenario_mpc_stiffness)
        stacked = {j: (count * rows, columns) for j, (rows, columns) in shapes.items()}
        consensus = consensus_of(system, index, settings)
        admm = Admm(
            index,
            system.graph,
            stacked,
            replace(options, rho=options.rho / count),
            consensus,
            repeated=(count, system.structure.horizon * system.local[index].n_inputs),
        )
        problem, exact = system.local_problem(index), settings.model == 'exact'
        with first_programme(system.names[index], self.name):
            mpc = ParametricMpc(
                problem,
                self.layout(system, index),
                system.model_parameters(index, exact=exact),
                rho=options.rho,
                n_consensus=problem.variables.numel(),
            )
            deviations = system.sample_deviations(index, exact=exact, count=count, seed=seed)
            scenarios = ScenarioMpc(mpc, deviations, list(shapes.values()))
        return mpc_agent(system, settings, (index,), scenarios, admm, consensus)

    def central_agent(
        self, system: MpcSystem, settings: ScenarioMpcSettings, *, seed: int, learn: bool
    ) -> AdmmAgent[InputSolution]:
        """The centralised twin, in the inputs alone."""
        system, exact = system.for_baselines().for_scenario_mpc(), settings.model == 'exact'
        every = range(system.n_agents)
        layout, theta = central_parameters(system, lambda i: system.model_parameters(i, exact=exact))
        deviations = [system.sample_deviations(i, exact=exact, count=settings.scenarios, seed=seed) for i in every]
        with first_programme(system.name, self.name):
            mpc = CentralScenarioMpc(system.central_problem(), layout, theta, np.hstack(deviations))
        admm, consensus = central_parts(settings.admm.options(system.defaults, system.scenario_mpc_stiffness))
        return mpc_agent(system, settings, every, mpc, admm, consensus)


SCENARIO_MPC = ScenarioBasedMpc()
