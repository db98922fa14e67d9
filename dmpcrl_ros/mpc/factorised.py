# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A small square matrix, factorised once for many right-hand sides."""

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs


class Factorised:
    """LU factors of a matrix.

    It calls LAPACK directly: for a few dozen unknowns the checks of scipy.linalg.lu_solve cost more than the solution.

    Args:
        matrix: (n, n); n may be 0.

    Raises:
        LinAlgError: it is singular.
    """

    def __init__(self, matrix: np.ndarray):
        self._size = len(matrix)
        if self._size:
            self._lu, self._pivots, flag = dgetrf(matrix)
            if flag:
                raise np.linalg.LinAlgError('singular matrix')

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solution for a right-hand side (n,) or (n, k)."""
        return dgetrs(self._lu, self._pivots, right)[0] if self._size and right.size else right
