"""Experience replay whose draws all agents make alike."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.randomness import stream


@dataclass(frozen=True)
class Transition:
    """One evaluated transition, as one agent keeps it.

    Args:
        td_error: delta = L + gamma V(s') - Q(s, a), agreed by all agents.
        gradient: of Q in theta_i, (p,).
        hessian: of the agent's Lagrangian in theta_i at fixed primal-dual point, (p, p), or None if not needed.
    """

    td_error: float
    gradient: np.ndarray
    hessian: np.ndarray | None = None


class ReplayBuffer:
    """The newest transitions, sampled as in the released programs: the `latest` newest always, the rest at random
    without replacement from the older ones.

    The random part is a function of the seed and of a counter that all agents share, so agents whose buffers hold the
    same transitions draw the same ones, however often each of them was asked before.

    Args:
        capacity, sample_size, latest: numbers of transitions.
        seed: of the network, the same at every agent.
    """

    def __init__(self, *, capacity: int, sample_size: int, latest: int, seed: int):
        if latest > sample_size or sample_size > capacity:
            raise ValueError(f'replay needs latest <= sample <= capacity, not {latest}, {sample_size}, {capacity}')
        self._items: deque[Transition] = deque(maxlen=capacity)
        self._sample_size, self._latest, self._seed = sample_size, latest, seed

    def __len__(self) -> int:
        return len(self._items)

    def add(self, transition: Transition) -> None:
        """Keep the newest transition; the oldest makes room when the buffer is full."""
        self._items.append(transition)

    def clear(self) -> None:
        """Forget all transitions."""
        self._items.clear()

    def sample(self, counter: int) -> list[Transition]:
        """The transitions drawn at this count, newest last; all of them while there are too few."""
        items = list(self._items)
        if len(items) <= self._sample_size:
            return items
        older = len(items) - self._latest
        drawn = stream(self._seed, 'replay', counter).choice(older, self._sample_size - self._latest, replace=False)
        return [items[k] for k in sorted(drawn.tolist())] + items[older:]
