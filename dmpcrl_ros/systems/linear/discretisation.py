# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Discretisation of networks that are described in continuous time, with inputs held between two control steps."""

from collections.abc import Mapping

import numpy as np

from dmpcrl_ros.core.graph import NetworkError


def discretised_network(a: np.ndarray, b: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact A (n, n) and B (n, m) of the whole network. An input also reaches the neighbours within a step.

    Args:
        a: of dx/dt = A x + B u (n, n).
        b: (n, m).
        time: of a control step, in the unit of time of the system.

    Raises:
        NetworkError: the result is not finite.
    """
    held = _hold(a, b, time)
    return held[:, : len(a)], held[:, len(a) :]


def discretised_model(
    a: np.ndarray, b: np.ndarray, coupling: Mapping[str, np.ndarray], time: float
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A, B and A_j of one agent, exact if the states of its neighbours are held within a step, as its inputs are.

    Args:
        a: of dx/dt = A x + B u + sum_j A_j x_j (n_x, n_x).
        b: (n_x, n_u).
        coupling: A_j (n_x, n_xj) by neighbour.
        time: of a control step, in the unit of time of the system.

    Raises:
        NetworkError: the result is not finite.
    """
    widths = [len(a), b.shape[1], *(matrix.shape[1] for matrix in coupling.values())]
    held = _hold(a, np.hstack([b, *coupling.values()]), time)
    own, of_inputs, *of_neighbours = np.split(held, np.cumsum(widths)[:-1], axis=1)
    return own, of_inputs, dict(zip(coupling, of_neighbours, strict=True))


def _hold(a: np.ndarray, inputs: np.ndarray, time: float) -> np.ndarray:
    from dmpcrl_ros.systems.zero_order_hold import ZeroOrderHold  # scipy.linalg takes a quarter of the start of a node

    try:
        return ZeroOrderHold(a, np.zeros_like(a), inputs, time).at(0.0)
    except ArithmeticError as error:
        raise NetworkError(f'{error}: check mpc.sampling_time and the matrices of dx/dt') from None
