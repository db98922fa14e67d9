"""Controllers from a scenario and settings: the agents of a network, or its centralised twin."""

from dataclasses import replace

import numpy as np

from dmpcrl_ros.core.averaging import AveragingSchedule, finite_time, fixed_weights, metropolis_weights
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import CouplingGraph, path_graph
from dmpcrl_ros.methods.q_learning.agent import LearningAgent
from dmpcrl_ros.methods.q_learning.exploration import Exploration
from dmpcrl_ros.methods.q_learning.learner import FirstOrderQLearning, Learner
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer
from dmpcrl_ros.methods.q_learning.safeguards import Safeguards
from dmpcrl_ros.methods.q_learning.second_order import (
    CentralNewton,
    DistributedNewton,
    NewtonSystem,
    SecondOrderQLearning,
)
from dmpcrl_ros.methods.scenario_mpc.central import CentralScenarioMpc
from dmpcrl_ros.methods.scenario_mpc.local import ScenarioMpc
from dmpcrl_ros.methods.scenario_mpc.scenarios import as_published, deviations, stiffness
from dmpcrl_ros.mpc.admm import Admm, AdmmOptions
from dmpcrl_ros.mpc.interface import Mpc
from dmpcrl_ros.mpc.parameters import ParameterLayout
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc
from dmpcrl_ros.settings.run import SettingError, Settings
from dmpcrl_ros.systems.baseline_models import as_compared, model_parameters
from dmpcrl_ros.systems.system import Scenario


def averaging_schedule(graph: CouplingGraph, settings: Settings) -> AveragingSchedule:
    """The schedule of average consensus that the settings ask for."""
    if settings.consensus == 'finite-time':
        return finite_time(graph)
    return {'fixed': fixed_weights, 'metropolis': metropolis_weights}[settings.consensus](
        graph, settings.consensus_rounds)


def _first_parameters(network: Scenario, index: int, settings: Settings) -> tuple[ParameterLayout, np.ndarray]:
    """Names and values of the parameters that an agent begins with."""
    layout, theta = network.parameters(index)
    if settings.controller != 'learning':
        theta = model_parameters(network, index, exact=settings.model == 'exact')
    return layout, theta


def distributed_agent(network: Scenario, index: int, settings: Settings) -> LearningAgent:
    """The controller of one agent. Of the network it uses its own data and the shapes of its parents' states."""
    if settings.controller != 'learning':
        network = as_compared(network)
    if settings.controller == 'scenario':
        return _scenario_agent(network, index, settings)
    options = _admm_options(network, settings)
    consensus = Consensus(index, network.graph, averaging_schedule(network.graph, settings))
    admm = Admm(index, network.graph, network.trajectory_shapes(index), options, consensus)
    mpc = ParametricMpc(network.local_problem(index), *_first_parameters(network, index, settings), rho=options.rho,
                        n_consensus=admm.size)
    newton = DistributedNewton(consensus, network.defaults.regularisation,
                               definite=settings.curvature != 'keep',
                               as_released=settings.learner == 'second-order-released')
    learner = _learner(network, settings, (index,), newton, consensus)
    return _agent(network, settings, mpc, admm, consensus, learner, (index,), network.n_agents)


def central_agent(network: Scenario, settings: Settings) -> LearningAgent:
    """The centralised twin: one controller with the whole state, all inputs and all parameters."""
    if settings.learner == 'second-order-released':
        raise SettingError('learner second-order-released is a way to learn by distributed agents: there is no '
                           'centralised one')
    if settings.controller != 'learning':
        network = as_compared(network)
    everyone = tuple(range(network.n_agents))
    parts = [_first_parameters(network, index, settings) for index in everyone]
    layout = ParameterLayout({f'{name}.{part}': shape for name, (local, _) in zip(network.agents, parts, strict=True)
                              for part, shape in local.shapes.items()})
    theta = np.concatenate([initial for _, initial in parts])
    alone = path_graph(1)
    consensus = Consensus(0, alone, finite_time(alone))
    admm = Admm(0, alone, {0: (0, 0)}, _admm_options(network, settings), consensus)
    if settings.controller == 'scenario':
        network = as_published(network)
        mpc = CentralScenarioMpc(network.central_problem(), layout, theta,
                                 np.hstack([deviations(network, index, settings) for index in everyone]))
        return _agent(network, settings, mpc, admm, consensus, None, everyone, 1)
    mpc = ParametricMpc(network.central_problem(), layout, theta)
    newton = CentralNewton(network.defaults.regularisation, definite=settings.curvature != 'keep')
    learner = _learner(network, settings, everyone, newton, consensus)
    return _agent(network, settings, mpc, admm, consensus, learner, everyone, 1)


def _scenario_agent(network: Scenario, index: int, settings: Settings) -> LearningAgent:
    """One agent of scenario-based MPC. See mpc/scenario_based.py for what rho/S is."""
    network, count = as_published(network), settings.scenarios
    options, shapes = _admm_options(network, settings), network.trajectory_shapes(index)
    stacked = {j: (count * rows, columns) for j, (rows, columns) in shapes.items()}
    consensus = Consensus(index, network.graph, averaging_schedule(network.graph, settings))
    admm = Admm(index, network.graph, stacked, replace(options, rho=options.rho / count), consensus,
                repeated=(count, network.structure.horizon * network.local[index].n_inputs))
    problem = network.local_problem(index)
    mpc = ParametricMpc(problem, *_first_parameters(network, index, settings), rho=options.rho,
                        n_consensus=problem.variables.numel())
    mpc = ScenarioMpc(mpc, deviations(network, index, settings), list(shapes.values()))
    return _agent(network, settings, mpc, admm, consensus, None, (index,), network.n_agents)


def _agent(network: Scenario, settings: Settings, mpc: Mpc, admm: Admm, consensus: Consensus,
           learner: Learner | None, members: tuple[int, ...], n_agents: int) -> LearningAgent:
    """A controller of these members of the network, among `n_agents` controllers."""
    defaults, exploration = network.defaults, None
    lower, upper, safe = (np.concatenate([getattr(network.local[i], name) for i in members])
                          for name in ('input_lower', 'input_upper', 'safe_input'))
    if learner and settings.exploration:
        exploration = Exploration(
            agent=members[0], n_agents=n_agents, n_inputs=len(lower), probability=defaults.exploration_probability,
            decay=defaults.exploration_decay, update_every=defaults.update_every,
            strength=defaults.exploration_strength, seed=settings.seed)
    return LearningAgent(mpc=mpc, admm=admm, consensus=consensus, discount=network.structure.discount,
                         input_lower=lower, input_upper=upper, safe_input=safe,
                       fallback_steps=settings.fallback_steps, learner=learner, exploration=exploration)


def _learner(network: Scenario, settings: Settings, members: tuple[int, ...],
             newton: NewtonSystem, consensus: Consensus) -> Learner | None:
    """The learner of the stacked parameters of these members of the network."""
    defaults = network.defaults
    if not settings.learns:
        return None
    second_order = settings.learner != 'first-order'
    common = {
        'learning_rate': settings.learning_rate or (defaults.second_order_rate if second_order
                                                    else defaults.learning_rate),
        'decay': defaults.learning_rate_decay, 'update_every': defaults.update_every,
        'replay': ReplayBuffer(capacity=defaults.replay_capacity, sample_size=defaults.replay_sample,
                               latest=defaults.replay_latest, seed=settings.seed),
        'safeguards': _safeguards(network, settings, members)}
    if second_order:
        return SecondOrderQLearning(newton=newton, consensus=consensus, **common)
    return FirstOrderQLearning(**common)


def _safeguards(network: Scenario, settings: Settings, members: tuple[int, ...]) -> Safeguards:
    bounds = [network.parameter_bounds(i) for i in members]
    lower, upper = (np.concatenate(side) for side in zip(*bounds, strict=True))
    definite = _definite(network, members)
    if not settings.bound_parameters:
        lower, upper, definite = np.full_like(lower, -np.inf), np.full_like(upper, np.inf), ()
    return Safeguards(lower=lower, upper=upper, definite=definite, step_limit=settings.step_limit or np.inf,
                      absolute_curvature=settings.curvature == 'absolute')


def _definite(network: Scenario, members: tuple[int, ...]) -> tuple[tuple[slice, float], ...]:
    """Places in the stacked parameters of these members of the matrices that are to stay positive definite."""
    found, start = [], 0
    for i in members:
        layout, _ = network.parameters(i)
        for name, least in network.definite_parameters(i).items():
            part = layout.slices[name]
            found.append((slice(start + part.start, start + part.stop), least))
        start += layout.size
    return tuple(found)


def _admm_options(network: Scenario, settings: Settings) -> AdmmOptions:
    stiffer = stiffness(network) if settings.controller == 'scenario' else 1.0
    return AdmmOptions(rho=settings.rho or stiffer * network.defaults.rho,
                       iterations=settings.admm_iterations or network.defaults.admm_iterations,
                       tolerance=settings.admm_tolerance, warm_start=settings.warm_start)
