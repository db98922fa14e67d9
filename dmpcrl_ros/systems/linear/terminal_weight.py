# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Weight of the last predicted state of an agent: as described, or of the Riccati equation."""

import numpy as np

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.linear.agent_reader import AgentReader
from dmpcrl_ros.systems.linear.formulation import LocalData

_RICCATI = 'riccati'
_ROUNDING = 1e-12  # of an eigenvalue, relative to the largest element


def terminal_weight(read: AgentReader, data: LocalData, discount: float) -> np.ndarray:
    """P (n_x, n_x) of cost.terminal.

    Args:
        read: description of the agent.
        data: of the agent, with its first model and its weights.
        discount: gamma, of the cost.

    Raises:
        NetworkError: the weight is not symmetric and positive semidefinite, or the equation has no solution.
    """
    place = f'agent {read.agent["name"]}: cost.terminal'
    if read.agent['cost']['terminal'] == _RICCATI:
        try:
            return riccati_weight(data, discount)
        except (np.linalg.LinAlgError, ValueError) as error:
            raise NetworkError(
                f'{place}: riccati has no solution for its first model and weights ({error}); give a weight instead'
            ) from None
    weight = read.free(('cost', 'terminal'))
    weight = np.diag(weight) if weight.ndim == 1 else weight
    if weight.shape != (read.nx, read.nx) or not np.array_equal(weight, weight.T):
        raise NetworkError(f'{place} must be symmetric, {read.nx} x {read.nx}')
    if np.linalg.eigvalsh(weight)[0] < -_ROUNDING * np.abs(weight).max():
        raise NetworkError(f'{place} must be positive semidefinite')
    return weight


def riccati_weight(data: LocalData, discount: float) -> np.ndarray:
    """P (n_x, n_x) of the discounted cost of the first model without neighbours and bounds.

    Raises:
        LinAlgError: the equation has no stabilising solution.
    """
    from scipy.linalg import solve_discrete_are  # takes a quarter of the start of a node

    root = np.sqrt(discount)
    weights = np.diag(data.state_weight), np.diag(data.input_weight)
    weight = solve_discrete_are(root * data.model_a, root * data.model_b, *weights)
    return 0.5 * (weight + weight.T)
