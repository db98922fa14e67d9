# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Distributed MPC as a function approximator for multi-agent Q-learning (paper 001).

The second-order form is that of paper 000.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.settings import SettingError, group, setting
from dmpcrl_ros.methods.admm_agent import AdmmAgent
from dmpcrl_ros.methods.guard import Guard, window_length
from dmpcrl_ros.methods.learner import Learner
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.methods.mpc_agent import Learning
from dmpcrl_ros.methods.mpc_build import consensus_alone, consensus_of, coordinated_agent, coordinated_twin
from dmpcrl_ros.methods.mpc_settings import CoordinationSettings
from dmpcrl_ros.methods.mpc_step import METRICS
from dmpcrl_ros.methods.packed_agent import PackedAgent
from dmpcrl_ros.methods.q_learning import robust
from dmpcrl_ros.methods.q_learning.exploration import Exploration
from dmpcrl_ros.methods.q_learning.first_order import FirstOrderQLearning
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer
from dmpcrl_ros.methods.q_learning.robust import RobustQLearning
from dmpcrl_ros.methods.q_learning.safeguards import Safeguards
from dmpcrl_ros.methods.q_learning.second_order import (
    CentralNewton,
    DistributedNewton,
    NewtonSystem,
    SecondOrderQLearning,
)
from dmpcrl_ros.mpc.programme import QpSolution
from dmpcrl_ros.systems.learning_defaults import LearningDefaults
from dmpcrl_ros.systems.mpc_system import MpcSystem

_AS_RELEASED, _ROBUST = 'second-as-released', 'robust'


@dataclass(frozen=True, kw_only=True)
class LearningSettings:
    """Settings of learning."""

    order: str = setting(
        _ROBUST,
        'order of the update; first is that of mallick2024, second that of mallick2025, robust is of second order '
        'with a prior of the parameters, robust weights of the TD errors, and rate, replay and exploration of its own '
        'in place of those of the system; second-as-released has the weights of the released program of mallick2025, '
        'for comparison only',
        choices=('first', 'second', _ROBUST, _AS_RELEASED),
    )
    rate: float | None = setting(
        None,
        'learning rate alpha; higher learns faster and may diverge; auto takes the published value, with robust its '
        'own',
        kind=float,
        absent='auto',
        minimum=1e-15,
        maximum=1.0,
    )
    exploration: bool = setting(
        True, 'perturb the objectives at random; without it the parameters drift in directions that are not excited'
    )
    curvature: str = setting(
        'absolute',
        'treatment of negative curvature; in updates of second order absolute reverses it, refuse does not learn '
        'from such a batch, and keep uses it as published, with steps that may go uphill',
        choices=('absolute', 'refuse', 'keep'),
    )
    step_limit: float | None = setting(
        0.05,
        'largest relative change of a parameter in one update; of second order only; relative to max(1, |theta|), '
        'with robust to max(size, |theta|); a longer step is shortened for the whole network; none sets no limit, as '
        'published',
        kind=float,
        absent='none',
        minimum=1e-9,
        maximum=1e6,
    )
    guard: bool = setting(
        True,
        'hold learning where it does harm; all agents then go back to their last good parameters, and the faults of '
        'the steps give the reason; the papers have no guard',
    )
    bound_parameters: bool = setting(
        True, 'keep the MPC convex and its penalties positive; the papers set no bounds to theta'
    )


@dataclass(frozen=True, kw_only=True)
class QLearningSettings(CoordinationSettings):
    """Settings of the method."""

    learning: LearningSettings = group(LearningSettings)


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
            as_released=settings.learning.order == _AS_RELEASED,
        )
        learning = (
            _learning(system, settings, (index,), newton, consensus, system.n_agents, seed) if learn else Learning()
        )
        return coordinated_agent(system, settings, index, theta, consensus, learning)

    def central_agent(
        self, system: MpcSystem, settings: QLearningSettings, *, seed: int, learn: bool
    ) -> AdmmAgent[QpSolution] | PackedAgent:
        """The centralised twin: one controller with the whole state, all inputs and all parameters."""
        if learn and settings.learning.order == _AS_RELEASED:
            raise SettingError(
                f'learning.order {_AS_RELEASED} has no centralised twin: it exists for distributed agents only'
            )
        newton = CentralNewton(definite=settings.learning.curvature != 'keep')
        every = range(system.n_agents)
        learning = _learning(system, settings, every, newton, consensus_alone(), 1, seed) if learn else Learning()
        return coordinated_twin(system, settings, lambda i: system.parameters(i)[1], learning)


def _learning(
    system: MpcSystem,
    settings: QLearningSettings,
    members: Sequence[int],
    newton: NewtonSystem,
    consensus: Consensus,
    n_agents: int,
    seed: int,
) -> Learning:
    """Learner, exploration and guard of the agent that controls these members, in a network of `n_agents`."""
    constants, exploration = _constants(system, settings.learning), None
    if settings.learning.exploration:
        sizes = np.concatenate([system.input_sizes(i) for i in members])
        exploration = Exploration(
            agent=members[0],
            n_agents=n_agents,
            n_inputs=len(sizes),
            probability=constants.exploration_probability,
            decay=constants.exploration_decay,
            update_every=constants.update_every,
            strength=constants.exploration_strength
            * (system.operating_cost / sizes if settings.learning.order == _ROBUST else 1.0),
            seed=seed,
        )
    return Learning(
        learner=_learner(system, settings, members, newton, consensus, seed),
        exploration=exploration,
        guard=_guard(system) if settings.learning.guard else None,
    )


def _guard(system: MpcSystem) -> Guard:
    """Guard over learning, the same at every agent."""
    return Guard(system.operating_cost * system.n_agents, window_length(system.episode_length))


def _constants(system: MpcSystem, settings: LearningSettings) -> LearningDefaults:
    """Constants of learning: the published ones of the system, or those of robust learning."""
    defaults, order = system.defaults, settings.order
    if order == _ROBUST:
        defaults = replace(defaults, **robust.CONSTANTS)
    elif order != 'first':
        defaults = replace(defaults, learning_rate=defaults.second_order_rate)
    return defaults if settings.rate is None else replace(defaults, learning_rate=settings.rate)


def _learner(
    system: MpcSystem,
    settings: QLearningSettings,
    members: Sequence[int],
    newton: NewtonSystem,
    consensus: Consensus,
    seed: int,
) -> Learner:
    """Learner of the stacked parameters of these members of the system."""
    constants, order = _constants(system, settings.learning), settings.learning.order
    common: dict[str, Any] = {
        'learning_rate': constants.learning_rate,
        'decay': constants.learning_rate_decay,
        'update_every': constants.update_every,
        'replay': ReplayBuffer(
            capacity=constants.replay_capacity,
            sample_size=constants.replay_sample,
            latest=constants.replay_latest,
            seed=seed,
        ),
        'safeguards': _safeguards(system, settings.learning, members),
    }
    if order == 'first':
        return FirstOrderQLearning(**common)
    common |= {'newton': newton, 'consensus': consensus}
    if order == _ROBUST:
        prior = np.concatenate([robust.prior(system.parameters(i)[0], system.parameter_sizes(i)) for i in members])
        return RobustQLearning(prior=prior, cost_size=system.cost_size, **common)
    return SecondOrderQLearning(regularisation=constants.regularisation, **common)


def _safeguards(system: MpcSystem, settings: LearningSettings, members: Sequence[int]) -> Safeguards:
    bounds = [system.parameter_bounds(i) for i in members]
    lower, upper = (np.concatenate(side) for side in zip(*bounds, strict=True))
    definite = _definite(system, members)
    if not settings.bound_parameters:
        lower, upper, definite = np.full_like(lower, -np.inf), np.full_like(upper, np.inf), ()
    return Safeguards(
        lower=lower,
        upper=upper,
        definite=definite,
        step_limit=settings.step_limit or np.inf,
        sizes=np.concatenate([system.parameter_sizes(i) for i in members]) if settings.order == _ROBUST else 1.0,
        absolute_curvature=settings.curvature == 'absolute',
    )


def _definite(system: MpcSystem, members: Sequence[int]) -> tuple[tuple[slice, float], ...]:
    """Indices, in the stacked parameters of these members, of the matrices that must stay positive definite."""
    found, start = [], 0
    for i in members:
        layout, _ = system.parameters(i)
        for name, least in system.definite_parameters(i).items():
            part = layout.slices[name]
            found.append((slice(start + part.start, start + part.stop), least))
        start += layout.size
    return tuple(found)


Q_LEARNING = QLearningOfMpc()
