# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A small square matrix, inverted once for many right-hand sides."""

import numpy as np


class Factorised:
    """Inverse of a matrix, with one step of iterative refinement in each solution.

    For a few dozen unknowns two products cost less than the checks of a library's triangular solves.

    Args:
        matrix: (n, n); n may be 0.

    Raises:
        LinAlgError: it is singular.
    """

    def __init__(self, matrix: np.ndarray):
        self._matrix, self._inverse = matrix, np.linalg.inv(matrix)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solution for a right-hand side (n,) or (n, k)."""
        found = self._inverse @ right
        return found + self._inverse @ (right - self._matrix @ found)
