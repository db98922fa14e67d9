"""All randomness of a run, from one seed.

Streams are independent by purpose and by whatever key (agent, step, update) they are asked for. Draws that agents must
agree on are keyed by a counter that all of them know, so they agree by construction, whoever was restarted or lost a
round.
"""

import numpy as np

_PURPOSES = ('noise', 'exploration coin', 'exploration direction', 'replay', 'model', 'scenarios', 'faults')


def stream(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """The generator of a purpose (one of 'noise', 'exploration coin', ...) and key, a child of `seed`."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PURPOSES.index(purpose), *key)))
