# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Sizes of the variables and parameters of a linear network, by which learning does not depend on its units.

They follow from the bounds, the first state, the noise, and the first models of all agents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dmpcrl_ros.systems.linear.formulation import LocalData, MpcStructure, initial_parameters, parameter_layout

_CHANGE = 3.0  # effect of a parameter of the model that has its size, relative to the change of the state in a step
_LEAST_INPUT = 0.2  # size of an input, relative to its bound


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


@dataclass(frozen=True, kw_only=True)
class VariableSizes:
    """Sizes of the variables of a network, all positive. Arrays are stacked over the agents: n states, m inputs.

    Args:
        a: A (n, n) of the first model.
        b: B (n, m) of the first model.
        initial_state: (n,).
        noise: largest magnitudes (n,).
        state_bound: bound_size of the states (n,).
        input_bound: bound_size of the inputs (m,).
        horizon: N, control steps.
    """

    a: np.ndarray
    b: np.ndarray
    initial_state: np.ndarray
    noise: np.ndarray
    state_bound: np.ndarray
    input_bound: np.ndarray
    horizon: int

    @cached_property
    def inputs(self) -> np.ndarray:
        """Inputs (m,) that move a state in one step by what it reaches without inputs, within a part of their bounds.

        Agents that hardly any disturbance reaches within the horizon would have no size otherwise.
        """
        free, effect = self._limited(self._free)[:, None], np.abs(self.b)
        moving = (effect > 0.0) & (free > 0.0)
        needed = np.divide(free, effect, where=moving, out=np.full_like(effect, np.inf)).min(axis=0, initial=np.inf)
        bound = np.where(self.input_bound > 0.0, self.input_bound, np.inf)
        found = np.maximum(np.minimum(bound, needed), _LEAST_INPUT * self.input_bound)
        return np.where(np.isfinite(found) & (found > 0.0), found, 1.0)

    @cached_property
    def states(self) -> np.ndarray:
        """States (n,) that first state, noise and inputs of their sizes reach within the horizon, limited by bounds."""
        found = self._limited(np.maximum(self._free, self._reached(np.abs(self.b) * self.inputs)))
        found = np.where(found > 0.0, found, self.state_bound)
        return np.where(found > 0.0, found, 1.0)

    @cached_property
    def undriven(self) -> np.ndarray:
        """States (n,) that first state and noise reach within the horizon without inputs, limited by bounds."""
        found = self._limited(self._free)
        return np.where(found > 0.0, found, self.states)

    @cached_property
    def changes(self) -> np.ndarray:
        """Change of each state in one step (n,)."""
        drift = np.abs(self.a - np.eye(len(self.a))) @ self.states
        found = drift + np.abs(self.b) @ self.inputs + self.noise
        return np.where(found > 0.0, found, self.states)

    @property
    def _free(self) -> np.ndarray:
        """Largest magnitudes (n,) without inputs."""
        return self._reached(np.diag(self.noise), self.initial_state)

    def _reached(self, pushes: np.ndarray, initial: np.ndarray | None = None) -> np.ndarray:
        """Largest magnitudes (n,) within the horizon with pushes (n, k) in each step, all with the worst signs."""
        state = np.zeros(len(self.a)) if initial is None else initial
        largest, forced, power = np.abs(state), np.zeros(len(state)), np.eye(len(state))
        for _ in range(self.horizon):
            forced = forced + np.abs(power @ pushes).sum(axis=1)
            power = self.a @ power
            largest = np.maximum(largest, np.abs(power @ state) + forced)
        return np.where(np.isfinite(largest), largest, 0.0)

    def _limited(self, states: np.ndarray) -> np.ndarray:
        return np.where(self.state_bound > 0.0, np.minimum(states, self.state_bound), states)


def stage_cost_size(data: LocalData, states: np.ndarray, inputs: np.ndarray) -> float:
    """Stage cost of one agent whose states and inputs have these sizes, without violations."""
    return 0.5 * float(data.state_weight @ states**2 + data.input_weight @ inputs**2)


def parameter_sizes(
    data: LocalData,
    structure: MpcStructure,
    states: Mapping[int, np.ndarray],
    own: int,
    inputs: np.ndarray,
    changes: np.ndarray,
    cost: float,
) -> np.ndarray:
    """Sizes (p,) of the parameters of one agent, all positive.

    Args:
        data: of the agent.
        structure: of its problem.
        states: sizes of the states of the agent and of its parents, by their indices.
        own: index of the agent.
        inputs: sizes of its inputs (n_u,).
        changes: of its states in one step (n_x,).
        cost: size of a stage cost.
    """
    x, change, layout = states[own], _CHANGE * changes, parameter_layout(data, structure)
    named = layout.unpack(initial_parameters(data, structure))
    sizes = {
        'V0': np.array([cost]),
        'x_lb': x,
        'x_ub': x,
        'b': change,
        'f': cost / np.concatenate([x, inputs]),
        'Q': np.ones(data.n_states),
        'R': np.ones(data.n_inputs),
        'w': np.where(data.violation_weight > 0.0, data.violation_weight, cost / x),
        'A': np.divide.outer(change, x),
        'B': np.divide.outer(change, inputs),
        'ac': np.array([_scalar_size(data, states, change)]),
    }
    sizes |= {f'A_{j}': np.divide.outer(change, states[j]) for j in data.parents}
    return layout.pack({name: sizes[name] for name in named})


def _scalar_size(data: LocalData, states: Mapping[int, np.ndarray], change: np.ndarray) -> float:
    """Scalar by which the patterns of all parents have such an effect on the state that they affect most."""
    effects = [np.abs(pattern) @ states[j] / change for j, pattern in data.coupling.items()]
    return 1.0 / (max((float(effect.max()) for effect in effects), default=0.0) or 1.0)
