# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Watchdog of a plant, which replaces missing inputs."""

from collections.abc import Sequence

import numpy as np

from dmpcrl_ros.core.agent import AgentSpec


class ActionWatchdog:
    """Chooses the input of every agent in every step.

    It is the fresh input; without one the last input, for a limited number of steps in a row; then the safe input. All
    of them lie within the bounds.

    Args:
        agents: of the system.
    """

    def __init__(self, agents: Sequence[AgentSpec]):
        self._agents = agents
        self.reset()

    def reset(self) -> None:
        """Forget the applied inputs."""
        self._last = [agent.safe_action for agent in self._agents]
        self._missed = np.zeros(len(self._agents), dtype=int)

    def choose(self, fresh: Sequence[np.ndarray | None], hold_steps: int) -> list[np.ndarray]:
        """Inputs (n_u,) to be applied.

        Args:
            fresh: input of each agent (n_u,); None for a missing one.
            hold_steps: number of steps in a row in which the last input is held.
        """
        self._missed = np.where([action is None for action in fresh], self._missed + 1, 0)
        for i, (agent, action) in enumerate(zip(self._agents, fresh, strict=True)):
            if action is not None:
                self._last[i] = agent.action.nearest(action)
            elif self._missed[i] > hold_steps:
                self._last[i] = agent.safe_action
        return list(self._last)
