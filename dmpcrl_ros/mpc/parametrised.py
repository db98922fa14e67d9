# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The part that all problems with learnable parameters share: theta, which is assigned as a whole."""

from abc import ABC, abstractmethod

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.mpc.solver import QpFailure


class Parametrised(ABC):
    """A problem that is built anew for each theta.

    Args:
        layout: names of theta.
    """

    def __init__(self, layout: ParameterLayout):
        self.layout = layout

    @property
    def theta(self) -> np.ndarray:
        """Current parameters (p,), read-only; assign a new vector to change them.

        Where the problem at the new ones is not a convex programme, assigning raises QpFailure and the old ones stay in
        force.
        """
        return self._theta

    @theta.setter
    def theta(self, theta: np.ndarray) -> None:
        if theta.shape != (self.layout.size,) or not np.isfinite(theta).all():
            raise QpFailure(f'theta must be {self.layout.size} finite numbers')
        self._build(theta)
        self._theta = theta.copy()
        self._theta.flags.writeable = False

    @abstractmethod
    def _build(self, theta: np.ndarray) -> None:
        """Build the problem for theta (p,).

        Raises:
            QpFailure: it is not a convex programme; nothing has changed.
        """
