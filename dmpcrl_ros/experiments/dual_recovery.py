# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Convergence of the multipliers of the local problems to the centralised ones (paper 001, Proposition 2, Fig. 1)."""

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeGuard, cast

import numpy as np

from dmpcrl_ros.methods.admm_agent import AdmmAgent
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.mpc.programme import QpSolution
from dmpcrl_ros.recording.recorded_run import Run
from dmpcrl_ros.recording.run_files import DUAL_ERROR_COLUMNS
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.mpc_system import MpcSystem
from dmpcrl_ros.systems.system import System

_Agent: TypeAlias = AdmmAgent[QpSolution]  # agents of the methods that has_local_multipliers allows
_Duals: TypeAlias = tuple[np.ndarray, np.ndarray]


def dual_errors_of(run: Run, iterations: int = 100) -> dict[str, np.ndarray] | None:
    """Errors of the multipliers at the initial state and at a state in the middle of a run (figure 1).

    In a run of episodes it is the middle of one of them. A system at rest in its initial state has no errors there.

    Args:
        run: with its states.
        iterations: of ADMM.

    Returns:
        Errors (iterations,) by the names in DUAL_ERROR_COLUMNS; None if agents have no such multipliers.

    Raises:
        NetworkError: the system of the run can no longer be read.
        RunDirectoryError: the settings of the run do not fit this version of the package.
    """
    settings = run.settings
    system = settings.make_system()
    if not has_local_multipliers(system, settings):
        return None
    length = system.episode_length
    middle = min(len(run.states) // 2 + length // 2, len(run.states) - 1)
    cases = ((system.initial_state, 0), (run.states[middle], middle % length if length else 0))
    return {
        name: dual_errors(system, settings, state, iterations, step)
        for name, (state, step) in zip(DUAL_ERROR_COLUMNS[1:], cases, strict=True)
    }


def has_local_multipliers(system: System, settings: Settings) -> TypeGuard[MpcSystem]:
    """Whether the multipliers of the local problems are parts of those of a centralised twin.

    In scenario-based MPC they are not, because the dynamics have multipliers for every scenario.
    """
    if not isinstance(system, MpcSystem) or not hasattr(settings.make_method(), 'central_agent'):
        return False
    agent = settings.make_agent(system, 0)
    return isinstance(agent, AdmmAgent) and isinstance(agent.mpc, ParametricMpc)


def dual_errors(system: MpcSystem, settings: Settings, state: np.ndarray, iterations: int, step: int = 0) -> np.ndarray:
    """Distance of all multipliers of dynamics and bounds from the centralised ones, after each iteration (iterations,).

    Args:
        system: of the agents.
        settings: of a method with local multipliers, see `has_local_multipliers`.
        state: of the whole network (n,), at which V is evaluated from a cold start with the initial parameters.
        iterations: of ADMM.
        step: of an episode; determines the exogenous inputs.
    """
    exact = {'admm__iterations': iterations, 'admm__tolerance': None, 'admm__warm_start': False}
    settings = settings.but(learn=False, coordination='admm', **exact)
    agents = [cast(_Agent, settings.make_agent(system, index)) for index in range(system.n_agents)]
    exogenous = system.exogenous_at(step)
    for agent, part, own in zip(agents, system.state_parts, exogenous, strict=True):
        agent.mpc.begin(state[part], exogenous=own)
    found: list[list[_Duals]] = [[] for _ in agents]
    run_lockstep(
        [agent.admm.run(agent.mpc.solve, _recorder(agent, duals)) for agent, duals in zip(agents, found, strict=True)]
    )
    central = cast(_Agent, settings.make_central_agent(system))
    central.mpc.begin(state, exogenous=np.concatenate(exogenous))
    central.mpc.solve(np.zeros(0))
    optimal = _duals(central.mpc.solution())
    return np.array(
        [
            sum(np.linalg.norm(_stack(parts)[kind] - optimal[kind]) for kind in range(2))
            for parts in zip(*found, strict=True)
        ]
    )


def _recorder(agent: _Agent, duals: list[_Duals]) -> Callable[[int], None]:
    return lambda iteration: duals.append(_duals(agent.mpc.solution()))


def _duals(solution: QpSolution) -> _Duals:
    """lambda of the dynamics and mu of the soft bounds."""
    return solution.dual_equality, solution.dual_soft_upper - solution.dual_soft_lower


def _stack(parts: Sequence[_Duals]) -> _Duals:
    """Stack the multipliers of all agents in the order of the centralised problem."""
    equality, bounds = zip(*parts, strict=True)
    return np.concatenate(equality), np.concatenate(bounds)
