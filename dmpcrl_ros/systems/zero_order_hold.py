# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Exact discretisation of linear systems whose inputs are held between two control steps, and its derivatives."""

from collections.abc import Callable

import numpy as np
from scipy.linalg import block_diag, expm, expm_frechet


class ZeroOrderHold:
    """The system dx/dt = (A + s D) x + E w over a time T with w held.

    It is a function of the number s::

        x(T) = exp((A + s D) T) x(0) + (integral from 0 to T of exp((A + s D) t) dt) E w.

    Both matrices are blocks of the exponential of M = [[A + s D, E], [0, 0]] T, so no matrix is inverted.

    Args:
        a: A (n, n).
        direction: D (n, n).
        inputs: E (n, m).
        time: T, in the unit of time of the system.
    """

    def __init__(self, a: np.ndarray, direction: np.ndarray, inputs: np.ndarray, time: float):
        self._n, size = len(a), len(a) + inputs.shape[1]
        self._generator, self._direction = np.zeros((size, size)), np.zeros((size, size))
        self._generator[: self._n] = time * np.hstack([a, inputs])
        self._direction[: self._n, : self._n] = time * direction

    def at(self, s: float) -> np.ndarray:
        """[exp((A + s D) T), (integral) E], (n, n + m).

        Raises:
            ArithmeticError: the result is not finite.
        """
        return self._finite(lambda: expm(self._generator + s * self._direction))[: self._n]

    def derivatives(self, s: float) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative of `at` in s, (n, n + m) each.

        The first, F = L(M, D), is the upper right block of exp([[M, D], [0, M]]) =: [[e, F], [0, e]]. The derivative of
        this exponential in s, in the direction [[D, 0], [0, D]], has the second derivative in the same block.

        Raises:
            ArithmeticError: they are not finite.
        """
        generator, direction = self._generator + s * self._direction, self._direction
        both = np.block([[generator, direction], [np.zeros_like(generator), generator]])
        found = self._finite(lambda: np.array(expm_frechet(both, block_diag(direction, direction))))
        first, second = found[:, : self._n, len(generator) :]
        return first, second

    @staticmethod
    def _finite(exponential: Callable[[], np.ndarray]) -> np.ndarray:
        try:
            with np.errstate(all='ignore'):
                found = exponential()
        except (ValueError, OverflowError):  # from entries that are not finite, or from a scaling that overflows
            found = np.array(np.nan)
        if not np.isfinite(found).all():
            raise ArithmeticError('the discretised model is not finite')
        return found
