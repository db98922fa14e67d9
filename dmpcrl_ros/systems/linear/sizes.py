# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Sizes of the variables and parameters of a linear network, by which learning does not depend on its units."""

from collections.abc import Mapping

import numpy as np

from dmpcrl_ros.systems.linear.formulation import LocalData, MpcStructure, initial_parameters, parameter_layout


def bound_size(lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The smaller one of the range and the largest magnitude of each variable (n,); zero for one without bounds.

    Args:
        lower: bounds (n,); may be infinite.
        upper: bounds (n,); may be infinite.
    """
    finite_lower, finite_upper = np.isfinite(lower), np.isfinite(upper)
    magnitude = np.maximum(np.where(finite_lower, np.abs(lower), 0.0), np.where(finite_upper, np.abs(upper), 0.0))
    span = np.where(finite_lower & finite_upper & (lower < upper), upper - lower, np.inf)
    return np.where(magnitude > 0.0, np.minimum(magnitude, span), 0.0)


def variable_sizes(data: LocalData, initial_state: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of the states (n_x,) and of the inputs (n_u,) of one agent, all positive.

    They are those of the bounds, unless inputs and initial state cannot move a state as far within the horizon. An
    input without bounds has the size that moves a state by its own. Where nothing is known the size is one.

    Args:
        data: of the agent.
        initial_state: (n_x,).
        horizon: N, control steps.
    """
    bound, inputs = bound_size(data.state_lower, data.state_upper), bound_size(data.input_lower, data.input_upper)
    known = np.where(bound > 0.0, bound, np.abs(initial_state))[:, None]
    effect = np.abs(data.model_b)
    needed = np.divide(known, effect, where=(effect > 0.0) & (known > 0.0), out=np.full_like(effect, np.inf))
    needed = needed.min(axis=0, initial=np.inf)
    inputs = np.where(inputs > 0.0, inputs, np.where(np.isfinite(needed), needed, 1.0))
    reached = _reached(data, np.abs(initial_state), inputs, horizon)
    states = np.where(bound > 0.0, np.minimum(bound, np.where(reached > 0.0, reached, np.inf)), reached)
    return np.where(states > 0.0, states, 1.0), inputs


def _reached(data: LocalData, initial: np.ndarray, inputs: np.ndarray, horizon: int) -> np.ndarray:
    """Largest magnitudes (n_x,) within the horizon from this initial state and with inputs of these sizes.

    The neighbours and the disturbances are left out.
    """
    largest, forced, power = initial.copy(), np.zeros(len(initial)), np.eye(len(initial))
    for _ in range(horizon):
        forced += np.abs(power @ data.model_b) @ inputs
        power = data.model_a @ power
        largest = np.maximum(largest, np.abs(power) @ initial + forced)
    return np.where(np.isfinite(largest), largest, 0.0)


def stage_cost_size(data: LocalData, states: np.ndarray, inputs: np.ndarray) -> float:
    """Stage cost of one agent whose states and inputs have these sizes, without violations."""
    return 0.5 * float(data.state_weight @ states**2 + data.input_weight @ inputs**2)


def parameter_sizes(
    data: LocalData,
    structure: MpcStructure,
    states: Mapping[int, np.ndarray],
    own: int,
    inputs: np.ndarray,
    cost: float,
) -> np.ndarray:
    """Sizes (p,) of the parameters of one agent, all positive.

    Args:
        data: of the agent.
        structure: of its problem.
        states: sizes of the states of the agent and of its parents, by their indices.
        own: index of the agent.
        inputs: sizes of its inputs (n_u,).
        cost: size of a stage cost.
    """
    x, layout = states[own], parameter_layout(data, structure)
    named = layout.unpack(initial_parameters(data, structure))
    sizes = {
        'V0': np.array([cost]),
        'x_lb': x,
        'x_ub': x,
        'b': x,
        'f': cost / np.concatenate([x, inputs]),
        'Q': np.ones(data.n_states),
        'R': np.ones(data.n_inputs),
        'w': np.where(data.violation_weight > 0.0, data.violation_weight, cost / x),
        'A': np.divide.outer(x, x),
        'B': np.divide.outer(x, inputs),
        'ac': np.ones(1),
    }
    sizes |= {f'A_{j}': np.divide.outer(x, states[j]) for j in data.parents}
    return layout.pack({name: sizes[name] for name in named})
