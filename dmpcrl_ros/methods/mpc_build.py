# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Construction of the parts that all methods of distributed MPC share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

import numpy as np

from dmpcrl_ros.core.averaging import finite_time
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import Edge, path_graph
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.methods.admm_agent import AdmmAgent
from dmpcrl_ros.methods.fallback_plan import FallbackPlan
from dmpcrl_ros.methods.mpc_agent import AgentParts, Learning
from dmpcrl_ros.methods.mpc_settings import ADMM_METHODS, CoordinationSettings, MpcSettings
from dmpcrl_ros.methods.packed_agent import PackedAgent
from dmpcrl_ros.mpc.admm import Admm, AdmmOptions
from dmpcrl_ros.mpc.condensed import LocalStructure
from dmpcrl_ros.mpc.interface import Mpc, SolutionT
from dmpcrl_ros.mpc.packed_admm import PackedAdmm
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.programme import QpSolution
from dmpcrl_ros.mpc.shared_entries import SharedEntries
from dmpcrl_ros.mpc.solver import NotConvex, QpFailure
from dmpcrl_ros.mpc.tree_coordination import TREE_METHODS, TreeCoordination
from dmpcrl_ros.systems.mpc_system import MpcSystem

_NO_LEARNING = Learning()
_ALONE = path_graph(1)  # the network of a centralised controller
_IN_ALL = 'must be convex in all states and inputs, with no weight below about 1e-11: choose other units'
_CONVEXITY = {
    'admm': f'with admm the costs of an agent {_IN_ALL}, or --coordination reactions',
    'scenario_mpc': f'the costs {_IN_ALL}',
    'reactions': 'its costs must be strictly convex in the inputs, as they act on the states, too',
}


@contextmanager
def first_programme(name: str, needs: str) -> Iterator[None]:
    """Context for the construction of the problem of an agent.

    Args:
        name: of the agent.
        needs: of the convexity of its problem: admm, scenario_mpc or reactions.

    Raises:
        SettingError: its problem cannot be solved with its first parameters.
    """
    try:
        yield
    except NotConvex as failure:
        raise SettingError(f'{name}: {failure} with the first parameters; {_CONVEXITY[needs]}') from None
    except QpFailure as failure:
        raise SettingError(f'{name}: {failure} with the first parameters') from None


def consensus_of(system: MpcSystem, index: int, settings: MpcSettings) -> Consensus:
    """Agreement of one agent with the network."""
    return Consensus(index, system.graph, settings.consensus.schedule(system.graph))


def local_admm(system: MpcSystem, index: int, options: AdmmOptions, consensus: Consensus) -> Admm:
    """Agreement of one agent with its neighbours on their trajectories."""
    return Admm(index, system.graph, system.trajectory_shapes(index), options, consensus)


def local_parts(
    system: MpcSystem, index: int, theta: np.ndarray, options: AdmmOptions, consensus: Consensus
) -> tuple[ParametricMpc, Admm]:
    """Problem of one agent at theta (p,), and its coordination with the neighbours."""
    admm = local_admm(system, index, options, consensus)
    layout, _ = system.parameters(index)
    with first_programme(system.names[index], 'admm'):
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


def consensus_alone() -> Consensus:
    """Agreement of a controller without neighbours."""
    return Consensus(0, _ALONE, finite_time(_ALONE))


def central_parts(options: AdmmOptions) -> tuple[Admm, Consensus]:
    """Coordination of a controller without neighbours."""
    consensus = consensus_alone()
    return Admm(0, _ALONE, {0: (0, 0)}, options, consensus), consensus


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
    learning: Learning = _NO_LEARNING,
) -> AdmmAgent[QpSolution] | PackedAgent:
    """One agent at theta (p,), coordinated as the settings say.

    Raises:
        SettingError: its problem cannot be solved at theta.
    """
    if settings.coordination in ADMM_METHODS:
        options = settings.admm.options(system.defaults)
        local, admm = local_parts(system, index, theta, options, consensus)
        parts = _parts(system, settings, (index,), local, consensus, learning)
        if settings.coordination == PackedAdmm.kind:
            make_admm = partial(local_admm, system, index, options, consensus)
            return PackedAgent(PackedAdmm(local.problem, make_admm, consensus), parts)
        return AdmmAgent(admm, parts)
    problem = system.local_problem(index)

    def layout_without(cut: frozenset[Edge]) -> tuple[SpanningTree, LocalStructure]:
        tree = SpanningTree(system.graph, cut)
        return tree, local_structure(system, index, tree, problem)

    def go_round(cut: frozenset[Edge]) -> None:
        tree, structure = layout_without(cut)
        mpc.use(structure)
        along.use(tree, structure)

    tree, structure = layout_without(frozenset())
    with first_programme(system.names[index], 'reactions'):
        mpc = ParametricMpc(problem, system.parameters(index)[0], theta, structure=structure)
    along = _tree_coordination(settings, index, tree, structure)
    return PackedAgent(along, _parts(system, settings, (index,), mpc, consensus, learning), go_round)


def coordinated_twin(
    system: MpcSystem,
    settings: CoordinationSettings,
    theta_of: Callable[[int], np.ndarray],
    learning: Learning = _NO_LEARNING,
) -> AdmmAgent[QpSolution] | PackedAgent:
    """Centralised twin of all agents: one agent without neighbours that solves as the agents do.

    Args:
        system: to be controlled.
        settings: of the method.
        theta_of: parameters (p,) of each agent.
        learning: of all parameters.

    Raises:
        SettingError: the problem of the whole network cannot be solved with the first parameters.
    """
    every, problem = range(system.n_agents), system.central_problem()
    layout, theta = central_parameters(system, theta_of)
    if settings.coordination in ADMM_METHODS:
        options = settings.admm.options(system.defaults)
        admm, consensus = central_parts(options)
        with first_programme(system.name, 'admm'):
            central = ParametricMpc(problem, layout, theta)
        parts = _parts(system, settings, every, central, consensus, learning)
        if settings.coordination == PackedAdmm.kind:
            return PackedAgent(PackedAdmm(problem, lambda: central_parts(options)[0], consensus), parts)
        return AdmmAgent(admm, parts)
    tree = SpanningTree(_ALONE)
    shared = SharedEntries(0, _ALONE, tree, problem.trajectory.size, lambda _: np.zeros(0, dtype=int))
    structure = LocalStructure(problem, shared, {})
    with first_programme(system.name, 'reactions'):
        mpc = ParametricMpc(problem, layout, theta, structure=structure)
    parts = _parts(system, settings, every, mpc, consensus_alone(), learning)
    return PackedAgent(_tree_coordination(settings, 0, tree, structure), parts)


def _tree_coordination(
    settings: CoordinationSettings, index: int, tree: SpanningTree, structure: LocalStructure
) -> TreeCoordination:
    return TreeCoordination(TREE_METHODS[settings.coordination], index, tree, structure, settings.stopping.options())


def mpc_agent(
    system: MpcSystem,
    settings: MpcSettings,
    members: Sequence[int],
    mpc: Mpc[SolutionT],
    admm: Admm,
    consensus: Consensus,
    learning: Learning = _NO_LEARNING,
) -> AdmmAgent[SolutionT]:
    """Agent that controls these members of the system."""
    return AdmmAgent(admm, _parts(system, settings, members, mpc, consensus, learning))


def _parts(
    system: MpcSystem,
    settings: MpcSettings,
    members: Sequence[int],
    mpc: Mpc[SolutionT],
    consensus: Consensus,
    learning: Learning,
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
        learning=learning,
    )
