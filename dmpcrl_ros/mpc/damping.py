# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Damping of messages along a tree, so that active sets which alternate from round to round come to rest."""

from dataclasses import dataclass

_DIRECT, _DAMPED = 16, 8  # rounds, to which twice the diameter is added for the first direct ones
_BLOCKS = 8
_CONSISTENT = 3  # direct messages in a row, after which both ends of an edge tell of the same solution


@dataclass(frozen=True)
class Damping:
    """Rounds in which agents tell the mean of their last message and the new one.

    Each neighbour's active set follows from the other's. Like any fixed-point iteration that can overshoot, the rounds
    can alternate between active sets for ever. The mean of two models is a model of the same kind, and the solution of
    the network is a fixed point of damped and of direct rounds. Direct rounds are exact once the active sets are right;
    so both kinds take turns. The number of a round decides, and the agents need not agree on more.

    Args:
        diameter: of the tree.
    """

    diameter: int

    @property
    def rounds(self) -> int:
        """Largest number of rounds of a step: 18 times the diameter plus 104."""
        return self._first + _BLOCKS * self._turn

    def damps(self, number: int) -> bool:
        """Whether the messages of a round are damped; the first round has the number 0."""
        return number >= self._first and (number - self._first) % self._turn < _DAMPED

    def shows(self, number: int) -> bool:
        """Whether a solution that has not changed in this round, compared with the one before, is that of the network.

        Damped messages lag behind the solutions: nothing follows from a small change. The D rounds after it bring the
        values of all agents to one another; they are direct, too.
        """
        return not any(self.damps(k) for k in range(number - _CONSISTENT, number + self.diameter))

    @property
    def _first(self) -> int:
        return 2 * self.diameter + _DIRECT

    @property
    def _turn(self) -> int:
        return _DAMPED + 2 * self.diameter + _CONSISTENT
