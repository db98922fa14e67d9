# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Q-learning of the parameters of an MPC: the common part of both orders, and the first-order update (paper 001)."""

from collections.abc import Mapping, Sequence

import numpy as np

from dmpcrl_ros.core.exchange import Protocol
from dmpcrl_ros.methods.learner import Transition, Update
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer, read_transitions
from dmpcrl_ros.methods.q_learning.safeguards import SafeguardReport, Safeguards


class QLearning:
    """Common part of both orders: the schedule, the rate and the replay.

    Args:
        learning_rate: initial alpha.
        decay: factor of alpha per update.
        update_every: control steps between two updates.
        replay: transitions to learn from.
        safeguards: of the new parameters.
    """

    second_order = False

    def __init__(
        self, *, learning_rate: float, decay: float, update_every: int, replay: ReplayBuffer, safeguards: Safeguards
    ):
        self._learning_rate, self._decay, self._update_every = learning_rate, decay, update_every
        self._replay, self._safeguards = replay, safeguards

    def observe(self, transition: Transition) -> None:
        """Keep a transition for replay."""
        self._replay.add(transition)

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """Arrays of the transitions in the replay."""
        return self._replay.arrays()

    def read_snapshot(self, arrays: Mapping[str, np.ndarray], size: int) -> Sequence[Transition]:
        """The transitions of a snapshot, oldest first."""
        return read_transitions(arrays, size, self.second_order)

    def due(self, step: int) -> bool:
        """Whether `step` is a multiple of `update_every`: a function of the step alone, so that all agents agree."""
        return step > 0 and step % self._update_every == 0

    def reset(self) -> None:
        """Forget the replayed transitions."""
        self._replay.clear()

    def _rate(self, step: int) -> float:
        return self._learning_rate * self._decay ** self._count(step)

    def _sample(self, step: int) -> list[Transition | None]:
        return self._replay.sample(self._count(step), step)

    def _count(self, step: int) -> int:
        """Number of updates before that of this step; there is none at step 0."""
        return step // self._update_every - 1


class FirstOrderQLearning(QLearning):
    """theta_i <- theta_i + alpha mean(delta dL_i/dtheta_i) over replayed transitions (paper 001, equation (21))."""

    def update(self, step: int, theta: np.ndarray) -> Protocol[Update]:
        """theta (p,) after one step along the mean over the replayed transitions that this agent has."""
        yield from ()  # a first-order update needs no exchange: the TD errors are agreed already
        batch = [transition for transition in self._sample(step) if transition]
        if not batch:
            return Update()
        direction = sum(t.td_error * t.gradient for t in batch) / len(batch)
        theta, held = self._safeguards.hold(theta + self._rate(step) * direction)
        return Update(theta, metrics=vars(SafeguardReport(parameters_held=held)))
