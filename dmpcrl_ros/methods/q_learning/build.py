# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Construction of the learner, the exploration and the guard of an agent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.methods.guard import Guard, window_length
from dmpcrl_ros.methods.learner import Learner
from dmpcrl_ros.methods.mpc_agent import Learning
from dmpcrl_ros.methods.q_learning import robust
from dmpcrl_ros.methods.q_learning.exploration import Exploration
from dmpcrl_ros.methods.q_learning.first_order import FirstOrderQLearning
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer
from dmpcrl_ros.methods.q_learning.robust import RobustQLearning
from dmpcrl_ros.methods.q_learning.safeguards import Safeguards
from dmpcrl_ros.methods.q_learning.second_order import NewtonSystem, SecondOrderQLearning
from dmpcrl_ros.methods.q_learning.settings import ROBUST, LearningSettings
from dmpcrl_ros.systems.learning_defaults import LearningDefaults
from dmpcrl_ros.systems.mpc_system import MpcSystem


def learning_parts(
    system: MpcSystem,
    settings: LearningSettings,
    members: Sequence[int],
    newton: NewtonSystem,
    consensus: Consensus,
    n_agents: int,
    seed: int,
) -> Learning:
    """Learner, exploration and guard of the agent that controls these members, in a network of `n_agents`."""
    constants, exploration = _constants(system, settings), None
    if settings.exploration:
        sizes = np.concatenate([system.input_sizes(i) for i in members])
        exploration = Exploration(
            agent=members[0],
            n_agents=n_agents,
            n_inputs=len(sizes),
            probability=constants.exploration_probability,
            decay=constants.exploration_decay,
            update_every=constants.update_every,
            strength=constants.exploration_strength
            * (system.operating_cost / sizes if settings.order == ROBUST else 1.0),
            seed=seed,
        )
    return Learning(
        learner=_learner(system, settings, members, newton, consensus, seed),
        exploration=exploration,
        guard=_guard(system) if settings.guard else None,
    )


def _guard(system: MpcSystem) -> Guard:
    """Guard over learning, the same at every agent."""
    return Guard(system.operating_cost * system.n_agents, window_length(system.episode_length))


def _constants(system: MpcSystem, settings: LearningSettings) -> LearningDefaults:
    """Constants of learning: the published ones of the system, or those of robust learning."""
    defaults, order = system.defaults, settings.order
    if order == ROBUST:
        defaults = replace(defaults, **robust.CONSTANTS)
    elif order != 'first':
        defaults = replace(defaults, learning_rate=defaults.second_order_rate)
    return defaults if settings.rate is None else replace(defaults, learning_rate=settings.rate)


def _learner(
    system: MpcSystem,
    settings: LearningSettings,
    members: Sequence[int],
    newton: NewtonSystem,
    consensus: Consensus,
    seed: int,
) -> Learner:
    """Learner of the stacked parameters of these members of the system."""
    constants, order = _constants(system, settings), settings.order
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
        'safeguards': _safeguards(system, settings, members),
    }
    if order == 'first':
        return FirstOrderQLearning(**common)
    common |= {'newton': newton, 'consensus': consensus}
    if order == ROBUST:
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
        sizes=np.concatenate([system.parameter_sizes(i) for i in members]) if settings.order == ROBUST else 1.0,
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
