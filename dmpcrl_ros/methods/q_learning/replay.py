# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Experience replay with the same draws at all agents."""

from collections.abc import Mapping, Sequence

import numpy as np

from dmpcrl_ros.core.agent import snapshot_array
from dmpcrl_ros.core.randomness import stream
from dmpcrl_ros.methods.learner import Transition


class ReplayBuffer:
    """Transitions of the newest steps, sampled as in the released programs.

    The `latest` newest are always drawn, and the rest at random without replacement from the older ones.

    A draw selects steps, not places in a list, as a function of the seed, a counter and the step. So agents draw the
    same transitions by construction, even if one of them was restarted and lacks some.

    Args:
        capacity: number of steps whose transitions are kept.
        sample_size: number of steps that are drawn.
        latest: number of the newest steps, which are always drawn.
        seed: of the network, the same at every agent.
    """

    def __init__(self, *, capacity: int, sample_size: int, latest: int, seed: int):
        if latest > sample_size or sample_size > capacity:
            raise ValueError(f'replay needs latest <= sample <= capacity, not {latest}, {sample_size}, {capacity}')
        self._items: dict[int, Transition] = {}
        self._capacity, self._sample_size, self._latest, self._seed = capacity, sample_size, latest, seed

    def __len__(self) -> int:
        return len(self._items)

    def add(self, transition: Transition) -> None:
        """Keep a new transition, and forget those that are `capacity` steps older or more."""
        self._items[transition.step] = transition
        for old in [step for step in self._items if step <= transition.step - self._capacity]:
            del self._items[old]

    def items(self) -> list[Transition]:
        """All transitions, oldest first."""
        return list(self._items.values())

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays of all transitions.

        They are steps (T,), td_errors (T,), gradients (T, p) and, for second-order learning, hessians (T, p, p).
        """
        kept = self.items()
        arrays = {
            'steps': np.array([t.step for t in kept], dtype=np.int64),
            'td_errors': np.array([t.td_error for t in kept], dtype=float),
            'gradients': np.array([t.gradient for t in kept], dtype=float),
        }
        if kept and kept[0].hessian is not None:
            arrays['hessians'] = np.array([t.hessian for t in kept], dtype=float)
        return arrays

    def clear(self) -> None:
        """Forget all transitions."""
        self._items.clear()

    def sample(self, counter: int, step: int) -> list[Transition | None]:
        """Transitions drawn at this count in control step `step`, newest last.

        None stands for a transition that this agent lacks, because it was void or the agent was not running. While
        there are too few steps, all are drawn.
        """
        window: Sequence[int] = range(max(1, step - self._capacity + 1), step + 1)
        if len(window) > self._sample_size:
            older = len(window) - self._latest
            drawn = stream(self._seed, 'replay', counter).choice(older, self._sample_size - self._latest, replace=False)
            window = [window[k] for k in (*sorted(drawn.tolist()), *range(older, len(window)))]
        return [self._items.get(each) for each in window]


def read_transitions(arrays: Mapping[str, np.ndarray], size: int, second_order: bool) -> list[Transition]:
    """Transitions of the arrays of a replay buffer, oldest first; empty without such arrays.

    Those of first order are of no use for learning of second order, and left out.

    Args:
        arrays: as of ReplayBuffer.arrays.
        size: number p of parameters.
        second_order: whether transitions need second derivatives.

    Raises:
        SnapshotError: an array is missing, of the wrong size, or not finite.
    """
    if 'steps' not in arrays or not arrays['steps'].size or (second_order and 'hessians' not in arrays):
        return []
    count = len(arrays['steps'])
    steps, td_errors, gradients = (
        snapshot_array(arrays, name, shape)
        for name, shape in (('steps', (count,)), ('td_errors', (count,)), ('gradients', (count, size)))
    )
    hessians = snapshot_array(arrays, 'hessians', (count, size, size)) if second_order else [None] * count
    return [
        Transition(int(step), float(td_error), gradient, hessian)
        for step, td_error, gradient, hessian in zip(steps, td_errors, gradients, hessians, strict=True)
    ]
