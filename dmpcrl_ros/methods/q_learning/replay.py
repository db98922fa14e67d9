"""Experience replay whose draws all agents make alike."""

from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.core.randomness import stream


@dataclass(frozen=True)
class Transition:
    """One evaluated transition, as one agent keeps it.

    Args:
        step: control step in which it ended.
        td_error: delta = L + gamma V(s') - Q(s, a), agreed by all agents.
        gradient: of Q in theta_i, (p,).
        hessian: of the agent's Lagrangian in theta_i at fixed primal-dual point, (p, p), or None if not needed.
    """

    step: int
    td_error: float
    gradient: np.ndarray
    hessian: np.ndarray | None = None


class ReplayBuffer:
    """The transitions of the newest steps, sampled as in the released programs: the `latest` newest always, the rest at
    random without replacement from the older ones.

    Steps are drawn, not places in a list, and the draw is a function of the seed, of a counter and of the step: agents
    draw the same transitions by construction, also when one of them was restarted and lacks some.

    Args:
        capacity, sample_size, latest: numbers of steps.
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
        """Keep the newest transition; those `capacity` steps older or more make room."""
        self._items[transition.step] = transition
        for old in [step for step in self._items if step <= transition.step - self._capacity]:
            del self._items[old]

    def items(self) -> list[Transition]:
        """All of them, oldest first."""
        return list(self._items.values())

    def clear(self) -> None:
        """Forget all transitions."""
        self._items.clear()

    def sample(self, counter: int, step: int) -> list[Transition | None]:
        """The transitions drawn at this count in control step `step`, newest last; None for one that is not here,
        because it was void or because the agent was away. All there can be while they are too few."""
        window = range(max(1, step - self._capacity + 1), step + 1)
        if len(window) > self._sample_size:
            older = len(window) - self._latest
            drawn = stream(self._seed, 'replay', counter).choice(older, self._sample_size - self._latest, replace=False)
            window = [window[k] for k in (*sorted(drawn.tolist()), *range(older, len(window)))]
        return [self._items.get(each) for each in window]
