# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parameters that enter a problem through a smooth map: theta is learned, and the problem depends on phi(theta).

The chain rule gives derivatives of the Lagrangian in theta from those in phi::

    dL/dtheta = J' dL/dphi,    d2L/dtheta2 = J' d2L/dphi2 J + sum_k dL/dphi_k d2phi_k/dtheta2,    J = dphi/dtheta.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class MappedParameters(Protocol):
    """phi and its derivatives at one theta (p,)."""

    @property
    def value(self) -> np.ndarray:
        """phi (m,)."""

    @property
    def jacobian(self) -> np.ndarray:
        """dphi/dtheta (m, p)."""

    def curvature(self, weights: np.ndarray) -> np.ndarray:
        """sum_k weights_k d2phi_k/dtheta2, (p, p), for weights (m,)."""


class ParameterMap(Protocol):
    """theta -> phi(theta), twice differentiable."""

    def at(self, theta: np.ndarray) -> MappedParameters:
        """phi and its derivatives at theta (p,).

        Raises:
            ArithmeticError: phi is not finite.
        """


class StackedMap:
    """Maps of several agents side by side: of [theta_1; ...; theta_M] to [phi_1; ...; phi_M].

    Args:
        maps: of each agent.
        sizes: number of elements of each theta_i.
    """

    def __init__(self, maps: Sequence[ParameterMap], sizes: Sequence[int]):
        self._maps, self._cuts = maps, np.cumsum(sizes)[:-1]

    def at(self, theta: np.ndarray) -> 'StackedParameters':
        """phi and its derivatives at theta (p,)."""
        return StackedParameters(
            [each.at(part) for each, part in zip(self._maps, np.split(theta, self._cuts), strict=True)]
        )


class StackedParameters:
    """phi and its derivatives, block by block."""

    def __init__(self, parts: Sequence[MappedParameters]):
        self._parts = parts
        self.value = np.concatenate([part.value for part in parts])

    @property
    def jacobian(self) -> np.ndarray:
        """(m, p)."""
        return _block_diagonal([part.jacobian for part in self._parts])

    def curvature(self, weights: np.ndarray) -> np.ndarray:
        """sum_k weights_k d2phi_k/dtheta2, (p, p)."""
        cuts = np.cumsum([len(part.value) for part in self._parts])[:-1]
        return _block_diagonal(
            [part.curvature(each) for part, each in zip(self._parts, np.split(weights, cuts), strict=True)]
        )


def _block_diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Matrix of the blocks on its diagonal. Loading scipy.linalg for it took a quarter of the start of every node."""
    found = np.zeros(np.sum([block.shape for block in blocks], axis=0))
    row = column = 0
    for block in blocks:
        found[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return found
