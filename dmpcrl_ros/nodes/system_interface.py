# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The plant as the control loop knows it."""

from typing import Protocol

import numpy as np

from dmpcrl_ros.simulation.episodes import PlantStep


class SystemInterface(Protocol):
    """The plant as the node knows it: a simulation, or a robot."""

    def reset(self) -> None:
        """Begin a run."""

    def observe(self) -> PlantStep | None:
        """The present step; None while there is no reliable measurement."""

    def apply(self, actions: list[np.ndarray]) -> None:
        """Let the inputs (n_u,) of all agents act until the next step; they lie within their bounds."""

    def skip(self) -> None:
        """Take note that ticks of the loop were skipped: the last inputs have acted for longer than a period."""

    def make_safe(self) -> None:
        """Let the safe inputs act from now on."""
