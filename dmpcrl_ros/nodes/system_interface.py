# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Interface of a plant towards the control loop."""

from typing import Protocol

import numpy as np

from dmpcrl_ros.simulation.episodes import PlantStep


class SystemInterface(Protocol):
    """A plant: a simulation or a robot."""

    def reset(self) -> None:
        """Begin a run."""

    def observe(self) -> PlantStep | None:
        """Present step; None without a reliable measurement."""

    def apply(self, actions: list[np.ndarray]) -> None:
        """Apply the inputs (n_u,) of all agents until the next step; they lie within their bounds."""

    def skip(self) -> None:
        """Record skipped ticks of the loop: the last inputs have acted for longer than a period."""

    def make_safe(self) -> None:
        """Apply the safe inputs from now on."""
