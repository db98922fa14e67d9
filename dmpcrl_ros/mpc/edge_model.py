# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Model of the part of the network behind one edge of the spanning tree."""

from abc import ABC, abstractmethod

import numpy as np


class EdgeModel(ABC):
    """Quadratic model of the part of the network behind one edge of the tree, as the neighbour told it; zero at first.

    For the entries X of this agent's side that it uses, the entries X_P that it decides are
    X_P = response X + offset + factor xi, at the cost 1/2 xi'xi + 1/2 X' curvature X + gradient'X + constant.

    Attributes:
        numbers: all but the constant, which moves no solution; another object as soon as one changes.
        matrices: numbers that determine curvature, response and factor; another object as soon as one changes.
        curvature: (n_ours, n_ours).
        response: (n_theirs, n_ours).
        factor: (n_theirs, n_xi).
        gradient: (n_ours,).
        offset: (n_theirs,).
        constant: a number.

    Args:
        ours: number of entries X of this agent's side.
        theirs: number of entries X_P of the neighbour's side.
        resolution: change of a number, relative to one plus its size, up to which it counts as the same.
    """

    def __init__(self, ours: int, theirs: int, resolution: float):
        self.n_ours, self._resolution = ours, resolution
        self.numbers = np.zeros(self.size(ours, theirs) - 1)
        self.matrices = np.zeros(0)
        self.curvature, self.response = np.zeros((ours, ours)), np.zeros((theirs, ours))
        self.factor = np.zeros((theirs, 0))
        self.gradient, self.offset, self.constant = np.zeros(ours), np.zeros(theirs), 0.0

    @staticmethod
    @abstractmethod
    def size(ours: int, theirs: int) -> int:
        """Number of elements of a message: the numbers, then the constant."""

    @abstractmethod
    def read(self, numbers: np.ndarray) -> None:
        """Take the numbers of a message, without the constant."""

    def take(self, message: np.ndarray) -> None:
        """Replace it by the model in a message (size,), unless its numbers are equal up to the resolution."""
        numbers, self.constant = message[:-1].copy(), float(message[-1])
        if not (np.abs(numbers - self.numbers) <= self._resolution * (1.0 + np.abs(self.numbers))).all():
            self.numbers = numbers
            self.read(numbers)
