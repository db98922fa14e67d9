# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Map from the coefficients P_ij of an area's lines to the matrices of its discretised model, with derivatives."""

from functools import cached_property

import numpy as np

from dmpcrl_ros.systems.zero_order_hold import ZeroOrderHold


class CoefficientMap:
    """theta = [free; P] -> phi = [free; A; B; L; A_j of each j] (a ParameterMap).

    A, B and L depend only on the sum s of the coefficients, and A_j = P_j G(s), where G(s) is the response to the sum
    of P_j dphi_j held over a control step.

    Args:
        held: response of the area over a control step as a function of s, to the reference, the load and that sum.
        n_free: number of parameters before the coefficients.
    """

    def __init__(self, held: ZeroOrderHold, n_free: int):
        self._held, self._n_free = held, n_free

    def at(self, theta: np.ndarray) -> 'MappedCoefficients':
        """phi and its derivatives at theta (p,).

        Raises:
            ArithmeticError: the model is not finite.
        """
        return MappedCoefficients(self._held, theta[: self._n_free], theta[self._n_free :])


class MappedCoefficients:
    """phi (m,) and its derivatives at one theta (MappedParameters)."""

    def __init__(self, held: ZeroOrderHold, free: np.ndarray, coefficients: np.ndarray):
        self._held, self._n_free, self._coefficients = held, len(free), coefficients
        self._model = held.at(coefficients.sum())
        self.value = np.concatenate([free, _flat(self._model, coefficients)])

    @cached_property
    def _derivatives(self) -> tuple[np.ndarray, np.ndarray]:
        return self._held.derivatives(self._coefficients.sum())

    @cached_property
    def jacobian(self) -> np.ndarray:
        """dphi/dtheta (m, p), with `d(P_j G)/dP_k = [j = k] G + P_j G'`."""
        n, p = self._n_free, self._coefficients
        jacobian = np.zeros((len(self.value), n + len(p)))
        jacobian[:n, :n] = np.eye(n)
        for k, direction in enumerate(np.eye(len(p))):
            jacobian[n:, n + k] = _flat(self._derivatives[0], p) + _columns(self._model, direction)
        return jacobian

    def curvature(self, weights: np.ndarray) -> np.ndarray:
        """sum_k weights_k d2phi_k/dtheta2 (p, p): d2(P_j G)/dP_k dP_l = ([j = k] + [j = l]) G' + P_j G''."""
        n, p = self._n_free, self._coefficients
        first, second = self._derivatives
        curvature = np.zeros((n + len(p), n + len(p)))
        curvature[n:, n:] = weights[n:] @ _flat(second, p)
        mixed = np.array([weights[n:] @ _columns(first, direction) for direction in np.eye(len(p))])
        curvature[n:, n:] += np.add.outer(mixed, mixed)
        return curvature


def _flat(model: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """[A; B; L; P_j G of each j] of [A, B, L, G] (4, 7), or of its derivative."""
    return np.concatenate([model[:, :-3].ravel(), model[:, -3], model[:, -2], np.kron(coefficients, model[:, -1])])


def _columns(model: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Part of `_flat` that is linear in the coefficients, in one direction of them; zero elsewhere."""
    flat = np.zeros(model[:, :-1].size + len(direction) * len(model))
    flat[model[:, :-1].size :] = np.kron(direction, model[:, -1])
    return flat
