# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Steps and episodes of the plant, the same in process and over ROS 2."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.core.agent import Observation
from dmpcrl_ros.systems.system import Plant, System


@dataclass(frozen=True)
class PlantStep:
    """One control step of the whole plant, one entry for each agent.

    Args:
        step: number of control steps since the start of the run.
        episode: number of the episode of the transition that begins in this step.
        states: (n_x,).
        exogenous: (n_d,).
        costs: L_i of the transition that ended in this step, (n_agents,); zeros at step 0. The last transition of an
            episode ends in the first step of the next one. Its cost is recorded, but agents do not learn from it, since
            the next state that they observe belongs to another episode.
        applied: inputs (n_u,) of that transition; empty at step 0.
        stamps: ROS times at which the states were measured [ns]; None for the simulated time of the step.
    """

    step: int
    episode: int
    states: list[np.ndarray]
    exogenous: list[np.ndarray]
    costs: np.ndarray
    applied: Sequence[np.ndarray]
    stamps: Sequence[int] | None = None

    def of(self, agent: int) -> Observation:
        """Observation of one agent."""
        return Observation(
            step=self.step,
            episode=self.episode,
            state=self.states[agent],
            exogenous=self.exogenous[agent],
            stage_cost=float(self.costs[agent]),
            applied=self.applied[agent] if self.step else None,
        )

    def of_all(self) -> Observation:
        """Observation of the centralised twin: all stacked."""
        return Observation(
            step=self.step,
            episode=self.episode,
            state=np.concatenate(self.states),
            exogenous=np.concatenate(self.exogenous),
            stage_cost=float(self.costs.sum()),
            applied=np.concatenate(self.applied) if self.step else None,
        )


class Episodes:
    """Runs the plant from its present state on, episode after episode.

    Args:
        system: which defines the length of the episodes.
        plant: of the system.
    """

    def __init__(self, system: System, plant: Plant):
        self._length, self._plant = system.episode_length, plant
        self._step, self._costs = 0, np.zeros(system.n_agents)
        self._applied: Sequence[np.ndarray] = [np.zeros(0)] * system.n_agents

    @property
    def _episode(self) -> int:
        return self._step // self._length if self._length else 0

    def observe(self) -> PlantStep:
        """Present step."""
        states, exogenous = self._plant.observe()
        return PlantStep(self._step, self._episode, states, exogenous, self._costs, self._applied)

    def apply(self, actions: Sequence[np.ndarray]) -> None:
        """Apply the actions (n_u,) of all agents to the plant.

        Raises:
            ArithmeticError: the state of the plant or its cost is no longer finite.
        """
        self._costs, self._applied = self._plant.step(actions), actions
        if not np.isfinite(self._costs).all():
            raise ArithmeticError('the stage cost is no longer finite: the closed loop has diverged')
        self._step += 1
        if self._length and self._step % self._length == 0:
            self._plant.begin_episode(self._episode)
