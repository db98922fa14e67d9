# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Construction of the parts that all methods of distributed MPC share."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from dmpcrl_ros.core.averaging import finite_time
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import path_graph
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.methods.admm_agent import AdmmAgent
from dmpcrl_ros.methods.fallback_plan import FallbackPlan
from dmpcrl_ros.methods.learner import Explorer, Learner
from dmpcrl_ros.methods.mpc_agent import AgentParts
from dmpcrl_ros.methods.mpc_settings import CoordinationSettings, MpcSettings
from dmpcrl_ros.methods.packed_agent import PackedAgent
from dmpcrl_ros.mpc.admm import Admm, AdmmOptions
from dmpcrl_ros.mpc.condensed import LocalStructure
from dmpcrl_ros.mpc.interface import Mpc, SolutionT
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.qp import QpSolution
from dmpcrl_ros.mpc.shared_entries import SharedEntries
from dmpcrl_ros.mpc.tree_coordination import TREE_METHODS, TreeCoordination
from dmpcrl_ros.systems.mpc_system import MpcSystem


def consensus_of(system: MpcSystem, index: int, settings: MpcSettings) -> Consensus:
    """Agreement of one agent with the network."""
    return Consensus(index, system.graph, settings.consensus.schedule(system.graph))


def local_parts(
    system: MpcSystem, index: int, theta: np.ndarray, options: AdmmOptions, consensus: Consensus
) -> tuple[ParametricMpc, Admm]:
    """Problem of one agent at theta (p,), and its coordination with the neighbours."""
    admm = Admm(index, system.graph, system.trajectory_shapes(index), options, consensus)
    layout, _ = system.parameters(index)
    mpc = ParametricMpc(system.local_problem(index), layout, theta, rho=options.rho, n_consensus=admm.size)
    return mpc, admm


def local_structure(
    system: MpcSystem, index: int, tree: SpanningTree, problem: ParametricProblem | None = None
) -> LocalStructure:
    """Places of the variables of one agent, and what it shares with its neighbours in the tree.

    Raises:
        ValueError: the dynamics of its problem do not determine its trajectory.
    """
    places = system.trajectory_places(index)
    shared = SharedEntries(index, system.graph, tree, len(places.pop(index)), cache(system.shared_entries))
    copies = {j: place[system.shared_entries(j)] for j, place in places.items()}
    return LocalStructure(problem or system.local_problem(index), shared, copies)


def central_parts(options: AdmmOptions) -> tuple[Admm, Consensus]:
    """Coordination of a controller without neighbours."""
    alone = path_graph(1)
    consensus = Consensus(0, alone, finite_time(alone))
    return Admm(0, alone, {0: (0, 0)}, options, consensus), consensus


def central_parameters(system: MpcSystem, theta_of: Callable[[int], np.ndarray]) -> tuple[ParameterLayout, np.ndarray]:
    """Names and values of the parameters of all agents, stacked in their order."""
    every = range(system.n_agents)
    shapes = {
        f'{system.names[i]}.{part}': shape for i in every for part, shape in system.parameters(i)[0].shapes.items()
    }
    return ParameterLayout(shapes), np.concatenate([theta_of(i) for i in every])


def coordinated_agent(
    system: MpcSystem,
    settings: CoordinationSettings,
    index: int,
    theta: np.ndarray,
    consensus: Consensus,
    learner: Learner | None = None,
    exploration: Explorer | None = None,
) -> AdmmAgent[QpSolution] | PackedAgent:
    """One agent at theta (p,), coordinated as the settings say."""
    if settings.coordination == 'admm':
        local, admm = local_parts(system, index, theta, settings.admm.options(system.defaults), consensus)
        return AdmmAgent(admm, _parts(system, settings, (index,), local, consensus, learner, exploration))
    problem, tree = system.local_problem(index), SpanningTree(system.graph)
    structure = local_structure(system, index, tree, problem)
    mpc = ParametricMpc(problem, system.parameters(index)[0], theta, structure=structure)
    method = TREE_METHODS[settings.coordination]
    coordination = TreeCoordination(method, index, tree, structure, settings.stopping.options())
    return PackedAgent(coordination, _parts(system, settings, (index,), mpc, consensus, learner, exploration))


def mpc_agent(
    system: MpcSystem,
    settings: MpcSettings,
    members: Sequence[int],
    mpc: Mpc[SolutionT],
    admm: Admm,
    consensus: Consensus,
    learner: Learner | None = None,
    exploration: Explorer | None = None,
) -> AdmmAgent[SolutionT]:
    """Agent that controls these members of the system."""
    return AdmmAgent(admm, _parts(system, settings, members, mpc, consensus, learner, exploration))


def _parts(
    system: MpcSystem,
    settings: MpcSettings,
    members: Sequence[int],
    mpc: Mpc[SolutionT],
    consensus: Consensus,
    learner: Learner | None,
    exploration: Explorer | None,
) -> AgentParts[SolutionT]:
    """Parts of an agent that controls these members of the system."""
    lower, upper, safe_input = (
        np.concatenate([getattr(system.local[i], name) for i in members])
        for name in ('input_lower', 'input_upper', 'safe_input')
    )
    return AgentParts(
        mpc=mpc,
        consensus=consensus,
        plan=FallbackPlan(lower, upper, safe_input, settings.fallback_steps),
        discount=system.structure.discount,
        learner=learner,
        exploration=exploration,
    )
