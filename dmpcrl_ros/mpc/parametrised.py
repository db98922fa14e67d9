# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Common part of all problems with learnable parameters: theta, which is assigned as a whole."""

from abc import ABC, abstractmethod

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.mpc.solver import QpFailure


class Parametrised(ABC):
    """A problem that is rebuilt for each theta.

    Args:
        layout: names of theta.
    """

    def __init__(self, layout: ParameterLayout):
        self.layout = layout

    @property
    def theta(self) -> np.ndarray:
        """Current parameters (p,), read-only; assign a new vector to change them.

        If the problem is not a convex programme at the new parameters, the assignment raises QpFailure and the old ones
        stay in force.
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
            QpFailure: the problem is not a convex programme; nothing has changed.
        """
