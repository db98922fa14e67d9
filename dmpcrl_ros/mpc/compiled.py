# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""CasADi expressions compiled to functions on preallocated numpy arrays."""

from collections.abc import Sequence

import casadi as ca
import numpy as np


class CompiledFunction:
    """Dense function of float64 arrays, evaluated without allocation.

    A call overwrites the arrays that the former call returned: copy what must last. Matrices come out in C order.

    Args:
        name: of the CasADi function.
        inputs: symbolic arguments.
        outputs: expressions of them.
    """

    def __init__(self, name: str, inputs: Sequence[ca.SX], outputs: Sequence[ca.SX]):
        function = ca.Function(name, inputs, [ca.densify(ca.SX(out)).T for out in outputs])
        self._buffer, self._evaluate = function.buffer()
        self._inputs = [np.zeros(symbol.numel()) for symbol in inputs]
        self._outputs = []
        for k, array in enumerate(self._inputs):
            self._buffer.set_arg(k, array.data)  # type: ignore[call-arg]  # a buffer knows its size
        for k, out in enumerate(outputs):
            array = np.zeros(out.shape)
            self._buffer.set_res(k, array.data)  # type: ignore[call-arg]
            self._outputs.append(array[:, 0] if out.shape[1] == 1 else array)

    def __call__(self, *arguments: np.ndarray) -> list[np.ndarray]:
        """Values of the outputs: (n,) of a column, (n, m) of a matrix."""
        for array, value in zip(self._inputs, arguments, strict=True):
            array[:] = value
        self._evaluate()
        return self._outputs
