"""How the multipliers of the local problems approach the centralised ones (paper 001, Proposition 2 and Fig. 1)."""

from dataclasses import replace

import numpy as np

from dmpcrl_ros.methods.build import central_agent, distributed_agent
from dmpcrl_ros.methods.q_learning.agent import LearningAgent
from dmpcrl_ros.mpc.qp import QpSolution
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.system import Scenario


def dual_errors(network: Scenario, settings: Settings, state: np.ndarray, iterations: int,
                step: int = 0) -> np.ndarray:
    """Distance of all multipliers of dynamics and bounds from the centralised ones, after each iteration (iterations,).

    Args:
        state: of the whole network (n,), at which V is evaluated from a cold start with the initial parameters.
        step: of an episode, whose exogenous input the agents are told.
    """
    settings = replace(settings, learner='none', admm_iterations=iterations, admm_tolerance=0.0, warm_start=False)
    agents = [distributed_agent(network, index, settings) for index in range(network.n_agents)]
    exogenous = network.exogenous_at(step)
    for agent, part, own in zip(agents, network.state_parts, exogenous, strict=True):
        agent.mpc.begin(state[part], exogenous=own)
    found: list[list[np.ndarray]] = [[] for _ in agents]
    run_lockstep([agent.admm.run(agent.mpc.solve, _recorder(agent, duals))
                  for agent, duals in zip(agents, found, strict=True)])
    central = central_agent(network, settings)
    central.mpc.begin(state, exogenous=np.concatenate(exogenous))
    central.mpc.solve()
    optimal = _duals(central.mpc.solution())
    return np.array([sum(np.linalg.norm(_stack(parts)[kind] - optimal[kind]) for kind in range(2))
                     for parts in zip(*found, strict=True)])


def _recorder(agent: LearningAgent, duals: list):
    return lambda iteration: duals.append(_duals(agent.mpc.solution()))


def _duals(solution: QpSolution) -> tuple[np.ndarray, np.ndarray]:
    """lambda of the dynamics and mu of the soft bounds."""
    return solution.dual_equality, solution.dual_soft_upper - solution.dual_soft_lower


def _stack(parts: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The multipliers of all agents in the order of the centralised problem."""
    return tuple(np.concatenate([part[kind] for part in parts]) for kind in range(2))
