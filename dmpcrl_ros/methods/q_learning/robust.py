# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Second-order Q-learning with a prior of the parameters and robust weights of the TD errors.

The step of paper 000 divides noise by a small regularisation in the directions that a batch does not determine, and
follows single TD errors of states far from their bounds. Here it is the maximum a posteriori step for TD errors of
variance lambda under a prior of standard deviation s_j on the change of each parameter, with Huber's weights::

    omega_tau = min(1, h / |delta_tau|),    G~ = G Omega^1/2,    delta~ = Omega^1/2 delta,
    K~_i = (lambda S_i^-2 - sum_tau omega_tau delta_tau H_tau)^-1,    C = sum_i G~_i' K~_i G~_i,
    theta_i <- theta_i + alpha K~_i G~_i (I + C)^-1 delta~.

lambda, h and s_j are relative to the sizes of the stage cost and of the parameters. So a network learns alike whatever
its units. The offset V0 has a wide prior: it follows the mean of the TD errors, which would otherwise push all other
parameters that raise Q.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.q_learning.second_order import Batch, SecondOrderQLearning

# In place of the published constants. The strength of exploration is relative to the sizes of costs and inputs.
CONSTANTS: Mapping[str, Any] = {
    'learning_rate': 0.05,
    'learning_rate_decay': 0.9996,
    'update_every': 2,
    'replay_capacity': 100,
    'replay_sample': 15,
    'replay_latest': 10,
    'exploration_probability': 0.7,
    'exploration_decay': 0.997,
    'exploration_strength': 1.8,
}
_OFFSET = 'V0'
_OFFSET_PRIOR, _PRIOR = 1.0, 0.1  # s_j, relative to the sizes of the parameters
_VARIANCE, _HUBER = 1.0, 0.5  # lambda and h, relative to the square of the cost and to the cost


def prior(layout: ParameterLayout, sizes: np.ndarray) -> np.ndarray:
    """s (p,), standard deviations of the changes of parameters of these sizes (p,).

    Args:
        layout: names of theta.
        sizes: (p,).
    """
    found = _PRIOR * sizes
    if _OFFSET in layout.slices:
        found[layout.slices[_OFFSET]] = _OFFSET_PRIOR * sizes[layout.slices[_OFFSET]]
    return found


class RobustQLearning(SecondOrderQLearning):
    """Maximum a posteriori step on weighted TD errors, by all agents or by none.

    Args:
        prior: s (p,), positive.
        cost_size: of a stage cost, positive, the same at all agents.
        others: arguments of SecondOrderQLearning.
    """

    def __init__(self, *, prior: np.ndarray, cost_size: float, **others: Any):
        super().__init__(regularisation=_VARIANCE, **others)
        self._prior, self._cost_size = prior, cost_size

    def _in_parameters(self, direction: np.ndarray) -> np.ndarray:
        return self._prior * direction

    def _model(self, td_errors: np.ndarray, gradients: np.ndarray, hessians: np.ndarray) -> tuple[Batch, int]:
        """Batch in parameters of standard deviation one and costs of size one."""
        s, cost = self._prior, self._cost_size
        td_errors, gradients = td_errors / cost, s[:, None] * gradients / cost
        weights = np.minimum(1.0, _HUBER / np.maximum(np.abs(td_errors), np.finfo(float).tiny))
        curvature, reversed_ = self._safeguards.curvature(weights * td_errors, np.outer(s, s) * hessians / cost)
        root = np.sqrt(weights)
        return Batch(root * td_errors, gradients * root, curvature, self._regularisation), reversed_
