# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Prices on the trajectories that cross the edges of a spanning tree.

Agent a tells its neighbour b the values X_P of the trajectories of its own side that b's side uses, and its prices pi
on the trajectories X of b's side that it uses: the derivatives of its Lagrangian at the values X0 that it used, where
the cost of a's side was W0. To b, a's side is::

    W(X) = W0 + pi'(X - X0),    X_P as told

(von Esch, Voelz, Graichen: sensitivity-based distributed programming, 10.1515/auto-2023-0050). At a fixed point the
conditions of optimality of the whole network hold. There is one where the coupling is weak enough; a reaction, which
tells the second derivatives too, has no such limit.
"""

import numpy as np

from dmpcrl_ros.mpc.edge_model import EdgeModel
from dmpcrl_ros.mpc.local_evaluation import LocalEvaluation
from dmpcrl_ros.mpc.solver import QpFailure


class EdgePrices(EdgeModel):
    """The last prices and values that a neighbour told (see EdgeModel)."""

    @staticmethod
    def size(ours: int, theirs: int) -> int:
        """Number of elements of a message."""
        return ours + theirs + 1

    def read(self, numbers: np.ndarray) -> None:
        """Take the numbers of a message: prices, values."""
        self.gradient, self.offset = numbers[: self.n_ours], numbers[self.n_ours :]


class PricedEvaluation(LocalEvaluation):
    """An evaluation that tells the neighbours its values and prices (see LocalEvaluation)."""

    kind, model = 'prices', EdgePrices

    def message(self, neighbour: int) -> np.ndarray:
        """Prices on the neighbour's trajectories, values of those of this side, and the constant of the line.

        Raises:
            QpFailure: they are not finite.
        """
        ours, theirs = self.structure.shared.ours[neighbour], self.structure.shared.theirs[neighbour]
        known, price = self.models[neighbour], self.relation_multipliers[theirs]
        cost = self.value - known.gradient @ self.w[ours] - known.constant
        found = np.concatenate([price, self.w[ours], [cost - price @ self.w[theirs]]])
        if not np.isfinite(found).all():
            raise QpFailure('the prices for a neighbour are not finite')
        return found
