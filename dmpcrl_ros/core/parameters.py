# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The learnable parameters of one controller: a flat vector with named slices."""

from collections.abc import Mapping

import numpy as np


class ParameterLayout:
    """Names and shapes of the parts of a flat parameter vector theta, in their order.

    Args:
        shapes: shape of each named part; parts are stored in row-major order.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]):
        self.shapes = dict(shapes)
        self.slices: dict[str, slice] = {}
        start = 0
        for name, shape in self.shapes.items():
            stop = start + int(np.prod(shape, dtype=int))
            self.slices[name] = slice(start, stop)
            start = stop
        self.size = start

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each part, in the order of theta."""
        return tuple(self.shapes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each part, in the order of theta."""
        return tuple(s.stop - s.start for s in self.slices.values())

    @property
    def labels(self) -> list[str]:
        """Label of each element of theta, the name with its indices where it has more than one element."""
        return [
            name + (str(list(index)).replace(' ', '') if np.prod(shape, dtype=int) > 1 else '')
            for name, shape in self.shapes.items()
            for index in np.ndindex(*shape)
        ]

    def pack(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Flat float64 vector (size,) of the named arrays.

        Raises:
            KeyError: a part is missing.
            ValueError: a part has the wrong shape, or is unknown.
        """
        if surplus := set(values) - set(self.shapes):
            raise ValueError(f'no such parameter: {", ".join(sorted(surplus))}; there are {", ".join(self.names)}')
        theta = np.empty(self.size)
        for name, part in self.slices.items():
            value = np.asarray(values[name], dtype=float)
            if value.shape != self.shapes[name]:
                raise ValueError(f'parameter {name} has shape {value.shape}, expected {self.shapes[name]}')
            theta[part] = value.ravel()
        return theta

    def unpack(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """The named arrays, as views of theta."""
        return {name: theta[part].reshape(self.shapes[name]) for name, part in self.slices.items()}
