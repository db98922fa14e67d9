# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The inputs that an agent applies when it has no fresh decision."""

import numpy as np


class FallbackPlan:
    """Follows the last plan for a limited number of steps in a row, then takes the safe input.

    Args:
        lower: bounds of the input (n_u,); plans are clipped to them because the solver rounds.
        upper: (n_u,).
        safe_input: (n_u,).
        steps: number of steps in a row in which the last plan is followed.
    """

    def __init__(self, lower: np.ndarray, upper: np.ndarray, safe_input: np.ndarray, steps: int):
        self._lower, self._upper, self.safe_input, self._steps = lower, upper, safe_input, steps
        self.reset()

    def reset(self) -> None:
        """Forget the plan."""
        self._plan, self._followed = self.safe_input[None], 0

    def begin(self, plan: np.ndarray) -> np.ndarray:
        """First input (n_u,) of a fresh plan (N, n_u)."""
        self._plan, self._followed = plan, 0
        return np.clip(plan[0], self._lower, self._upper)

    def follow(self) -> np.ndarray:
        """Next input (n_u,) of the last plan, or the safe one."""
        self._followed += 1
        self._plan = self._plan[1:]
        if self._followed > self._steps or not len(self._plan):
            return self.safe_input
        return np.clip(self._plan[0], self._lower, self._upper)
