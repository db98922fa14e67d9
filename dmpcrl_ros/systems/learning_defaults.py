# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Published constants of coordination and learning."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LearningDefaults:
    """Published constants of coordination and learning of a system.

    Args:
        rho: penalty of ADMM.
        admm_iterations: per evaluation.
        learning_rate: alpha of first-order learning.
        second_order_rate: alpha of second-order learning (paper 000).
        regularisation: sigma of second-order learning (paper 000).
        learning_rate_decay: factor of alpha per update.
        update_every: control steps between two updates.
        replay_capacity: number of transitions kept.
        replay_sample: number of transitions of a batch.
        replay_latest: number of the newest transitions, always in a batch.
        exploration_probability: initial probability of exploring.
        exploration_decay: factor of the probability per update.
        exploration_strength: standard deviation of the perturbation.
    """

    rho: float = 0.5
    admm_iterations: int = 50
    learning_rate: float = 6e-5
    second_order_rate: float = 1e-4
    regularisation: float = 1e-3
    learning_rate_decay: float = 1.0
    update_every: int = 1
    replay_capacity: int = 100
    replay_sample: int = 15
    replay_latest: int = 10
    exploration_probability: float = 0.0
    exploration_decay: float = 1.0
    exploration_strength: float = 1.0
