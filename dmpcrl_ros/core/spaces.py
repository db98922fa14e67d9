# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Sets of states and actions. All values are float64 vectors, so messages and files need one format only."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np


@dataclass(frozen=True, eq=False)
class Box:
    """Vectors between two bounds, which may be infinite.

    Args:
        lower: (n,).
        upper: (n,).
    """

    lower: np.ndarray
    upper: np.ndarray

    @property
    def size(self) -> int:
        """Number of elements n."""
        return len(self.lower)

    def admits(self, value: np.ndarray) -> bool:
        """Whether (n,) is a possible value. Bounds do not apply: measured states may lie beyond them."""
        return bool(np.isfinite(value).all())

    def nearest(self, value: np.ndarray) -> np.ndarray:
        """Value (n,) within the bounds."""
        return np.clip(value, self.lower, self.upper)


@dataclass(frozen=True)
class Finite:
    """Vectors of indices: element k is one of 0, 1, ..., counts[k] - 1.

    Args:
        counts: number of values of each element.
    """

    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements n."""
        return len(self.counts)

    @property
    def lower(self) -> np.ndarray:
        """Smallest indices (n,)."""
        return np.zeros(self.size)

    @property
    def upper(self) -> np.ndarray:
        """Largest indices (n,)."""
        return np.array(self.counts, dtype=float) - 1.0

    def admits(self, value: np.ndarray) -> bool:
        """Whether (n,) are indices of this space."""
        return bool(((value >= 0.0) & (value <= self.upper) & (value == np.floor(value))).all())

    def nearest(self, value: np.ndarray) -> np.ndarray:
        """Indices (n,) of this space."""
        return np.clip(np.round(value), self.lower, self.upper)


Space: TypeAlias = Box | Finite
EMPTY = Box(np.zeros(0), np.zeros(0))
