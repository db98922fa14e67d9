# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""CasADi expressions compiled to functions on preallocated numpy arrays."""

from collections.abc import Sequence

import casadi as ca
import numpy as np

from dmpcrl_ros.mpc.problem import ParametricProblem


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


def compile_problem(p: ParametricProblem) -> tuple[CompiledFunction, ...]:
    """Compile the programme and the derivatives of its Lagrangian.

    Matrices and bounds are functions of phi. Vectors are functions of phi and the exogenous input. Gradient and Hessian
    of the Lagrangian in phi also depend on the solution.
    """
    hessian, linear = ca.hessian(p.objective, p.variables)
    equality = ca.jacobian(p.residual, p.variables)
    at_zero = [
        ca.substitute(e, p.variables, ca.SX.zeros(p.variables.shape)) for e in (linear, p.objective, -p.residual)
    ]
    matrices = CompiledFunction('matrices', [p.parameters], [hessian, equality, p.soft_lower, p.soft_upper, p.penalty])
    vectors = CompiledFunction('vectors', [p.parameters, p.exogenous], at_zero)
    slack, lower, upper = (ca.SX.sym(name, p.penalty.shape[0]) for name in ('slack', 'lower', 'upper'))
    multiplier = ca.SX.sym('multiplier', p.residual.shape[0])
    bounded = p.variables[p.soft.tolist()] if len(p.soft) else ca.SX(0, 1)
    lagrangian = (
        p.objective
        + ca.dot(p.penalty, slack)
        + ca.dot(multiplier, p.residual)
        + ca.dot(lower, p.soft_lower - bounded)
        + ca.dot(upper, bounded - p.soft_upper)
    )
    arguments = [p.variables, p.parameters, p.exogenous, slack, multiplier, lower, upper]
    second, gradient = ca.hessian(lagrangian, p.parameters)
    return (
        matrices,
        vectors,
        CompiledFunction('gradient', arguments, [gradient]),
        CompiledFunction('second', arguments, [second]),
    )
