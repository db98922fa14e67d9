# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Agreement on the edges of the communication graph that are cut, by flooding."""

from collections.abc import Sequence

import numpy as np

from dmpcrl_ros.core.graph import Edge

_DELAY = 2  # steps from a change to its use: by then it has reached all agents
_AHEAD = 1  # steps by which a neighbour can be ahead


class LinkState:
    """One agent's knowledge of all directed links of the network: whether their receivers hear their senders.

    An agent stamps the changes of its own links with its step and tells its neighbours, who pass on what is new to them
    at once. Every agent uses a change from the same step on, two steps after its stamp. So all agents that reach one
    another within two steps work with the same graph in each step; one that has missed a change is told by the first
    neighbour that knows better. An edge is cut if it is so in either direction. A newer stamp of a link always means
    its other state.

    Attributes:
        cut: edges that are cut in the present step.

    Args:
        agent: index of this agent.
        neighbours: of every agent in the communication graph; nothing if all programs use the whole graph.
    """

    def __init__(self, agent: int, neighbours: Sequence[Sequence[int]] = ()):
        self._links = [(i, j) for i, each in enumerate(neighbours) for j in each]
        self._own = {j: k for k, (i, j) in enumerate(self._links) if i == agent}
        self._run = 0
        self._reset()

    @classmethod
    def of_cycles(cls, agent: int, neighbours: Sequence[Sequence[int]]) -> 'LinkState':
        """Link state of an agent of a graph with cycles; without links for a tree, where no edge replaces another."""
        edges = sum(map(len, neighbours)) // 2
        return cls(agent, neighbours if edges >= len(neighbours) else ())

    def _reset(self) -> None:
        """Forget all changes: no edge is cut."""
        self._step, self.cut = 0, frozenset[Edge]()
        self._unheard = self._before = frozenset[int]()
        self._stamps = np.full(len(self._links), -2.0 * _DELAY)
        self._cut = np.zeros(len(self._links), dtype=bool)

    def begin_step(self, run: int, step: int, unheard: frozenset[int]) -> None:
        """Take note of the neighbours that this agent did not hear before this step.

        A link is cut if that is so in two steps in a row: when one agent is lost, others that wait for one another may
        count as lost for a step. Each link changes at most once within the delay.
        """
        if run != self._run or step < self._step:  # the step before was wrong
            self._run = run
            self._reset()
        if step > self._step:
            self._before, self._unheard, self._step = self._unheard, unheard & self._own.keys(), step
        gone = self._unheard & self._before
        for j, k in self._own.items():
            if (j in gone) != self._cut[k] and self._stamps[k] + _DELAY <= step:
                self._cut[k], self._stamps[k] = j in gone, step
        used = self._cut != (self._stamps + _DELAY > step)  # before its use a change has not happened
        self.cut = frozenset((min(link), max(link)) for link, each in zip(self._links, used, strict=True) if each)

    @property
    def audience(self) -> list[int]:
        """Neighbours to tell at the beginning of a step.

        All of them for a while after a change. Then those that are not heard and, while an edge is cut, one after the
        other: if it is not cut any more, they say so.
        """
        if (self._stamps + 2 * _DELAY > self._step).any():
            return list(self._own)
        turn = self._step % max(len(self._own), 1) if self._cut.any() else -1
        return [j for n, (j, k) in enumerate(self._own.items()) if j in self._unheard or self._cut[k] or n == turn]

    @property
    def message(self) -> np.ndarray:
        """Step of the last change, and whether it is cut, for each link (n_links, 2), by receiver and sender."""
        return np.column_stack([self._stamps, self._cut])

    def misfit(self, run: int, sender: int, message: np.ndarray) -> str:
        """Reason why a message is no use; empty if it is one."""
        if sender not in self._own:
            return 'unknown sender'
        if message.shape != (len(self._links), 2):
            return 'wrong size'
        if not np.isfinite(message).all():
            return 'not finite'
        return '' if run == self._run else 'late'

    def take(self, sender: int, message: np.ndarray) -> list[int]:
        """Take the newer entries of a message without misfit, and return the neighbours to tell.

        These are the others if there is news, and the sender if this agent knows better.
        """
        stamps, cut = message.T
        older = bool((stamps < self._stamps).any())
        newer = (stamps > self._stamps) & (stamps <= self._step + _AHEAD)
        self._stamps[newer], self._cut[newer] = stamps[newer], cut[newer] != 0.0
        return [j for j in self._own if (older if j == sender else newer.any())]
