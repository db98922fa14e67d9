"""First-order Q-learning of the parameters of an MPC (paper 001, equation (21))."""

from typing import Protocol as Interface

import numpy as np

from dmpcrl_ros.coordination.exchange import Protocol
from dmpcrl_ros.learning.replay import ReplayBuffer, Transition


class Learner(Interface):
    """What a controller asks of a learner. All agents observe the same transitions and update at the same steps."""

    second_order: bool

    def observe(self, transition: Transition) -> None:
        """Take in a transition that all agents agreed is valid."""

    def due(self, step: int) -> bool:
        """Whether this control step is one to update at; the same answer at every agent."""

    def update(self, step: int, theta: np.ndarray) -> Protocol[np.ndarray]:
        """New parameters (p,) after this control step; `theta` itself when none is due."""

    def reset(self) -> None:
        """Forget the transitions."""


class FirstOrderQLearning:
    """theta_i <- theta_i + alpha mean(delta dL_i/dtheta_i) over replayed transitions.

    Args:
        learning_rate: alpha, at first. decay: its factor per update. update_every: control steps between two updates.
        replay: transitions to learn from.
    """

    second_order = False

    def __init__(self, *, learning_rate: float, decay: float, update_every: int, replay: ReplayBuffer):
        self._learning_rate, self._decay, self._update_every = learning_rate, decay, update_every
        self._replay = replay

    def observe(self, transition: Transition) -> None:
        """Keep a transition for replay."""
        self._replay.add(transition)

    def due(self, step: int) -> bool:
        """Whether `step` is a multiple of `update_every` and there is a transition to learn from."""
        return step % self._update_every == 0 and len(self._replay) > 0

    def update(self, step: int, theta: np.ndarray) -> Protocol[np.ndarray]:
        """theta (p,) after one step along the mean over the replayed transitions; `theta` itself when none is due."""
        if not self.due(step):
            return theta
        yield from ()  # a first-order update needs no exchange: the TD errors are agreed already
        # updates before this one: at step 0 there is nothing to learn
        count = max(step // self._update_every - 1, 0)
        batch = self._replay.sample(count)
        direction = sum(t.td_error * t.gradient for t in batch) / len(batch)
        return theta + self._learning_rate * self._decay**count * direction

    def reset(self) -> None:
        """Forget the replayed transitions."""
        self._replay.clear()
