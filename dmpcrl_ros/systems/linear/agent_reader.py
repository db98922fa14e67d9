# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Arrays of the description of one agent of a linear network."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dmpcrl_ros.core.graph import NetworkError


class AgentReader:
    """Arrays of one agent's description, checked against its dimensions.

    Args:
        agent: its description.
        dimensions: n_x and n_u.
        states_of: n_x of every agent of the network, by name.
    """

    def __init__(self, agent: Mapping[str, Any], dimensions: tuple[int, int], states_of: Mapping[str, int]):
        self.agent, (self.nx, self.nu), self.states_of = agent, dimensions, states_of

    def matrices(self, section: str) -> tuple[np.ndarray, np.ndarray]:
        """A and B of a section."""
        return (self.array((section, 'A'), (self.nx, self.nx)), self.array((section, 'B'), (self.nx, self.nu)))

    def coupling(self, section: str) -> dict[str, np.ndarray]:
        """A_j of each neighbour in a section.

        Raises:
            NetworkError: a neighbour is not an agent.
        """
        named = self.agent[section].get('neighbours', {})
        for name in named:
            if name not in self.states_of:
                raise NetworkError(
                    f'agent {self.agent["name"]}: {section}.neighbours names {name!r}, which is not an agent'
                )
        return {name: self.array((section, 'neighbours', name), (self.nx, self.states_of[name])) for name in named}

    def array(
        self, path: tuple[str, ...], shape: tuple[int, ...], default: float | None = None, *, unbounded: bool = False
    ) -> np.ndarray:
        """Array at a place, or one full of the default where it is left out.

        Raises:
            NetworkError: it is of another shape, or contains NaN or, unless it may be unbounded, infinity.
        """
        value: Any = self.agent
        for key in path:
            value = value.get(key) if value is not None else None
        if value is None:
            return np.full(shape, default)
        array = self.free(path, unbounded=unbounded)
        if array.shape != shape:
            raise NetworkError(f'{self._place(path)} is {size_text(array.shape)}, expected {size_text(shape)}')
        return array

    def free(self, path: tuple[str, ...], *, unbounded: bool = False) -> np.ndarray:
        """Array of any shape at a place that exists.

        Raises:
            NetworkError: its rows differ in length, or it contains NaN or, unless it may be unbounded, infinity.
        """
        value: Any = self.agent
        for key in path:
            value = value[key]
        try:
            array = np.array(value, dtype=float)
        except ValueError:
            raise NetworkError(f'{self._place(path)} has rows of different lengths') from None
        if np.isnan(array).any() or not (unbounded or np.isfinite(array).all()):
            raise NetworkError(f'{self._place(path)} contains NaN or infinity')
        return array

    def _place(self, path: tuple[str, ...]) -> str:
        return f'agent {self.agent["name"]}: {".".join(path)}'


def size_text(shape: tuple[int, ...]) -> str:
    """Shape of an array as a text."""
    return ' x '.join(map(str, shape)) or 'a number'
