# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Exploration by a random linear term in the objective (paper 001, section 5.3)."""

from functools import lru_cache

import numpy as np

from dmpcrl_ros.core.randomness import stream

_NEGLIGIBLE = 1e-9  # smallest probability for which coins are drawn


class Exploration:
    """With some probability an agent minimises its objective plus q'u(0), with a random q, to find its action.

    Coins and directions are functions of the seed and the step. Every agent knows the coins of all, so all of them know
    whether Q(s, a) needs an evaluation of its own.

    Args:
        agent: index of the agent.
        n_agents: of the network.
        n_inputs: of the agent.
        probability: initial probability of exploring.
        decay: factor of the probability per update.
        update_every: steps between two updates.
        strength: standard deviations of q (n_inputs,), or one for all (normal, as in the released programs; the paper
            says uniform).
        seed: of the network.
    """

    def __init__(
        self,
        *,
        agent: int,
        n_agents: int,
        n_inputs: int,
        probability: float,
        decay: float,
        update_every: int,
        strength: np.ndarray | float,
        seed: int,
    ):
        self.agent, self._n_agents, self._n_inputs = agent, n_agents, n_inputs
        self._probability, self._decay, self._update_every = probability, decay, update_every
        self._strength, self._seed = strength, seed

    def coins(self, step: int) -> np.ndarray:
        """Mask (n_agents,) of the agents that explore in this step."""
        probability = self._probability * self._decay ** (step // self._update_every)
        if probability < _NEGLIGIBLE:
            return np.zeros(self._n_agents, dtype=bool)
        return _draws(self._seed, step, self._n_agents) < probability

    def direction(self, step: int) -> np.ndarray:
        """q (n_inputs,)."""
        draw = stream(self._seed, 'exploration direction', self.agent, step).standard_normal(self._n_inputs)
        return self._strength * draw


@lru_cache(maxsize=64)  # the agents of one process share the draw
def _draws(seed: int, step: int, n_agents: int) -> np.ndarray:
    """Uniform number for each agent (n_agents,)."""
    draws = stream(seed, 'exploration coin', step).random(n_agents)
    draws.flags.writeable = False
    return draws
