# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Random numbers of a run, from one seed.

Streams of different purposes and keys (agent, step, update) are independent. Draws on which agents must agree are keyed
by a counter that all of them know. They agree by construction, also after a restart or a lost round.
"""

import zlib

import numpy as np

_PURPOSES = ('noise', 'exploration coin', 'exploration direction', 'replay', 'model', 'scenarios', 'faults')
_LARGEST_KEY = 2**64


def stream(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """Generator of a purpose and key, a child of `seed`. It costs 30 us; for few draws of each key use KeyedDraws.

    Args:
        seed: of the run.
        purpose: one of 'noise', 'exploration coin', ..., or any other text.
        key: numbers that distinguish the draws of a purpose.
    """
    number = _PURPOSES.index(purpose) if purpose in _PURPOSES else len(_PURPOSES) + zlib.crc32(purpose.encode())
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number, *key)))


class KeyedDraws:
    """Draws that are functions of (seed, purpose, key), for millions of keys.

    The key sets the counter of a counter-based generator (Philox), in place of a new stream.

    Args:
        seed: of the run.
        purpose: any text; different purposes are independent.
    """

    def __init__(self, seed: int, purpose: str):
        self._bits = np.random.Philox(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()),)))
        self._generator = np.random.Generator(self._bits)
        self._state = self._bits.state

    def at(self, *key: int) -> np.random.Generator:
        """Generator of a key: up to three whole numbers below 2**64, such as agent and step.

        It is valid until the next call, for up to 2**64 draws.

        Raises:
            ValueError: there are more numbers, or one is out of range.
        """
        if len(key) > 3 or any(not 0 <= number < _LARGEST_KEY for number in key):
            raise ValueError(f'a key is up to three whole numbers from 0 to 2**64 - 1, not {key}')
        counter = np.zeros(4, dtype=np.uint64)
        counter[1 : 1 + len(key)] = key
        self._state['state']['counter'] = counter
        self._state['buffer_pos'], self._state['has_uint32'] = 4, 0
        self._bits.state = self._state
        return self._generator
