# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Models of a linear network for the baselines: its inexact or its true model, and their uncertainty.

Both are parameters theta_i of the problem of the learning agents, with the same names and order.
"""

from typing import TYPE_CHECKING

import numpy as np

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.randomness import stream
from dmpcrl_ros.systems.linear.formulation import initial_parameters, parameter_layout

if TYPE_CHECKING:
    from dmpcrl_ros.systems.linear.network import LinearNetwork, LocalModel

_OFFSETS = ('V0', 'x_lb', 'x_ub', 'b', 'f')


def model_parameters(network: 'LinearNetwork', index: int, *, exact: bool) -> np.ndarray:
    """theta_i (p,) of the model, without offsets; see MpcSystem."""
    data, structure = network.local[index], network.structure
    theta = initial_parameters(data, structure)
    parts = parameter_layout(data, structure).unpack(theta)
    for name in _OFFSETS:
        parts[name][...] = 0.0
    if exact:
        for name, value in _named(network, index, network.dynamics(index)).items():
            parts[name][...] = value
    return theta


def first_model(network: 'LinearNetwork') -> tuple[np.ndarray, np.ndarray]:
    """A (n, n) and B (n, m) of the whole network, made of the first models of all agents."""
    a, b = np.zeros_like(network.a), np.zeros_like(network.b)
    for i, (data, x, u) in enumerate(zip(network.local, network.state_parts, network.input_parts, strict=True)):
        layout, theta = network.parameters(i)
        parts = layout.unpack(theta)
        a[x, x], b[x, u] = parts['A'], parts['B']
        for j, pattern in data.coupling.items():
            scalar = network.structure.scalar_coupling
            a[x, network.state_parts[j]] = parts['ac'] * pattern if scalar else parts[f'A_{j}']
    return a, b


def sample_deviations(network: 'LinearNetwork', index: int, *, exact: bool, count: int, seed: int) -> np.ndarray:
    """Deviations (count, p); see MpcSystem.

    The released program draws the disturbance on all states, including those without noise.
    """
    layout = parameter_layout(network.local[index], network.structure)
    part = network.state_parts[index]
    sides = []
    for model, noise in zip(network.uncertainty[index], (network.noise_lower, network.noise_upper), strict=True):
        known = {} if exact else _named(network, index, model)
        zeros = {name: np.zeros(shape) for name, shape in layout.shapes.items()}
        sides.append(layout.pack(zeros | known | {'b': noise[part]}))
    lower, upper = sides
    return lower + (upper - lower) * stream(seed, 'scenarios', index).random((count, layout.size))


def _named(network: 'LinearNetwork', index: int, model: 'LocalModel') -> dict[str, np.ndarray]:
    """Parts of theta_i that form a model or a deviation from one."""
    named = {'A': model.a, 'B': model.b}
    if not network.structure.scalar_coupling:
        return named | {f'A_{j}': matrix for j, matrix in model.coupling.items()}
    patterns = network.local[index].coupling
    pattern, matrix = (
        np.concatenate([np.zeros(0), *(side[j].ravel() for j in patterns)]) for side in (patterns, model.coupling)
    )
    scalar = pattern @ matrix / (pattern @ pattern or 1.0)
    if not np.allclose(scalar * pattern, matrix, rtol=0.0, atol=1e-12):
        raise NetworkError(
            f'agent {network.names[index]}: with scalar_coupling, the coupling in its dynamics and in '
            'its uncertainty must be a multiple of its coupling_pattern'
        )
    return named | {'ac': np.array([scalar])}
