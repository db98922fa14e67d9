# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parametrised local problem of papers 001 and 000, and the centralised problem with the same terms.

For agent i over the horizon k = 0..N, with its own trajectory x, its inputs u and the trajectories x_j of its parents::

    minimise   V0 + sum_{k<N} f^T [x(k); u(k)]
               + 1/2 sum_k gamma^k (|Q o x(k)|^2_Wx + |R o u(k)|^2_Wu) + 1/2 sum_k gamma^(k-k0) w^T sigma(k)
    subject to x(k+1) = A x(k) + B u(k) + sum_j A_j x_j(k) + b,   x(0) = s,   u_lb <= u(k) <= u_ub,
               s_lb + x_lb - sigma(k) <= x(k) <= s_ub + x_ub + sigma(k),   sigma(k) >= 0,   k = k0..N.

A description may give a weight P of x(N): it adds 1/2 gamma^N x(N)' P x(N).

Paper 001 has k0 = 1, learns (V0, x_lb, x_ub, b, f, A, B, A_j), and does not weight x(N) (equation (25) and its
release). Paper 000 has k0 = 0, weights x(N), also learns Q, R and w, and one scalar `ac` in place of the matrices A_j.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import casadi as ca
import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.mpc.problem import AgentTerms, AgentVariables, ParametricProblem, column, join_central, join_local

_LEAST_WEIGHT = 0.01  # of a learned weight, relative to its initial value


@dataclass(frozen=True, kw_only=True)
class MpcStructure:
    """Structure common to all agents: the horizon and the learned parts of the problem.

    Args:
        horizon: N, control steps.
        discount: gamma, in (0, 1].
        first_bounded_stage: k0, 0 or 1: the first stage at which the state bounds are imposed. The value has
            the cost of a violation in the present state with 0 only; paper 001 has 1.
        terminal_cost: whether x(N) is weighted like the other states.
        learn_weights: whether Q, R and w are learned.
        scalar_coupling: whether one learned scalar times a known pattern replaces free coupling matrices.
        sampling_time: of a control step [s], for clocks and for a description in continuous time.
        continuous_time: whether the description has the matrices of dx/dt.
    """

    horizon: int
    discount: float
    first_bounded_stage: int = 0
    terminal_cost: bool = False
    learn_weights: bool = False
    scalar_coupling: bool = False
    sampling_time: float = 0.1
    continuous_time: bool = False


@dataclass(frozen=True, kw_only=True)
class LocalData:
    """Knowledge of agent i before learning. Arrays: n_x states, n_u inputs, n_xj states of parent j.

    Args:
        state_lower: s_lb (n_x,), soft; may be infinite.
        state_upper: s_ub (n_x,), soft; may be infinite.
        input_lower: u_lb (n_u,), hard.
        input_upper: u_ub (n_u,), hard.
        state_weight: diagonal of Wx (n_x,), not negative.
        input_weight: diagonal of Wu (n_u,), positive.
        violation_weight: w (n_x,), positive.
        model_a: initial A (n_x, n_x).
        model_b: initial B (n_x, n_u).
        coupling: for each parent j, initial A_j (n_x, n_xj); with scalar coupling, the pattern that `ac` multiplies.
        initial: initial values of other parameters; those not named start at zero (weights at their neutral value).
        safe_input: (n_u,), within the bounds, for steps without a decision; empty for the nearest to zero.
        terminal_weight: P (n_x, n_x) of x(N), symmetric and positive semidefinite, in place of the weight of the other
            states; empty for none.
    """

    state_lower: np.ndarray
    state_upper: np.ndarray
    input_lower: np.ndarray
    input_upper: np.ndarray
    state_weight: np.ndarray
    input_weight: np.ndarray
    violation_weight: np.ndarray
    model_a: np.ndarray
    model_b: np.ndarray
    coupling: Mapping[int, np.ndarray] = field(default_factory=dict)
    initial: Mapping[str, np.ndarray] = field(default_factory=dict)
    safe_input: np.ndarray = field(default_factory=lambda: np.zeros(0))
    terminal_weight: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    n_exogenous = 0  # none: the state is complete

    def __post_init__(self) -> None:
        if not self.safe_input.size:
            nearest_to_zero = np.clip(np.zeros(len(self.input_lower)), self.input_lower, self.input_upper)
            object.__setattr__(self, 'safe_input', nearest_to_zero)

    @property
    def n_states(self) -> int:
        """n_x."""
        return self.model_b.shape[0]

    @property
    def n_inputs(self) -> int:
        """n_u."""
        return self.model_b.shape[1]

    @property
    def parents(self) -> tuple[int, ...]:
        """Agents whose states agent i uses, in ascending order."""
        return tuple(sorted(self.coupling))


def parameter_layout(data: LocalData, structure: MpcStructure) -> ParameterLayout:
    """Named parts of theta_i in the order of the papers."""
    nx, nu = data.n_states, data.n_inputs
    shapes: dict[str, tuple[int, ...]] = {'V0': (1,), 'x_lb': (nx,), 'x_ub': (nx,), 'b': (nx,), 'f': (nx + nu,)}
    if structure.learn_weights:
        shapes |= {'Q': (nx,), 'R': (nu,), 'w': (nx,)}
    shapes |= {'A': (nx, nx), 'B': (nx, nu)}
    if structure.scalar_coupling:
        shapes['ac'] = (1,)
    else:
        shapes |= {f'A_{j}': data.coupling[j].shape for j in data.parents}
    return ParameterLayout(shapes)


def initial_parameters(data: LocalData, structure: MpcStructure) -> np.ndarray:
    """theta_i before learning: the inexact model, neutral weights, zeros, and the values of `data.initial`."""
    layout = parameter_layout(data, structure)
    values = {name: np.zeros(shape) for name, shape in layout.shapes.items()}
    values |= {'A': data.model_a, 'B': data.model_b}
    if structure.learn_weights:
        values |= {'Q': np.ones(data.n_states), 'R': np.ones(data.n_inputs), 'w': data.violation_weight}
    if not structure.scalar_coupling:
        values |= {f'A_{j}': matrix for j, matrix in data.coupling.items()}
    return layout.pack(values | dict(data.initial))


def parameter_bounds(data: LocalData, structure: MpcStructure) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (p,) of theta_i within which the problem is convex and its soft bounds do not cross.

    Weights of inputs and of violations stay above a hundredth of their initial values, those of states do not change
    sign, and the soft bounds stay on their side of the mean of their initial values.
    """
    layout = parameter_layout(data, structure)
    initial = layout.unpack(initial_parameters(data, structure))
    lower = {name: np.full(shape, -np.inf) for name, shape in layout.shapes.items()}
    upper = {name: np.full(shape, np.inf) for name, shape in layout.shapes.items()}
    if structure.learn_weights:
        lower |= {'Q': np.zeros(data.n_states), 'R': _LEAST_WEIGHT * initial['R'], 'w': _LEAST_WEIGHT * initial['w']}
    bounded = np.isfinite(data.state_lower) & np.isfinite(data.state_upper)
    state_lower, state_upper = data.state_lower[bounded], data.state_upper[bounded]
    middle = 0.5 * (state_lower + initial['x_lb'][bounded] + state_upper + initial['x_ub'][bounded])
    upper['x_lb'][bounded], lower['x_ub'][bounded] = middle - state_lower, middle - state_upper
    return layout.pack(lower), layout.pack(upper)


def local_problem(data: LocalData, structure: MpcStructure) -> ParametricProblem:
    """Problem of one agent (see join_local)."""
    return join_local(_LinearAgent(data, structure), structure.horizon)


def central_problem(network: list[LocalData], structure: MpcStructure) -> ParametricProblem:
    """Problem of the whole network (see join_central)."""
    return join_central([_LinearAgent(data, structure) for data in network], structure.horizon)


class _LinearAgent:
    """Terms of one agent of a linear network."""

    def __init__(self, data: LocalData, structure: MpcStructure):
        self._data, self._structure = data, structure
        self.n_states, self.n_inputs = data.n_states, data.n_inputs
        self.parent_states = {j: data.coupling[j].shape[1] for j in data.parents}

    def terms(self, variables: AgentVariables) -> AgentTerms:
        data, structure = self._data, self._structure
        theta = ca.SX.sym('theta', parameter_layout(data, structure).size)
        p = _named(data, structure, theta)
        rows = np.flatnonzero(np.isfinite(data.state_lower) | np.isfinite(data.state_upper)).tolist()
        stages = range(structure.first_bounded_stage, structure.horizon + 1) if rows else range(0)
        weights = [0.5 * structure.discount ** (k - stages[0]) * p['w'][rows] for k in stages]
        return AgentTerms(
            parameters=theta,
            objective=_cost(data, structure, p, variables.x, variables.u),
            residual=_dynamics(p, variables.x, variables.u, variables.parents),
            soft=np.array([(k, row) for k in stages for row in rows], dtype=int).reshape(-1, 2),
            soft_lower=column([(ca.DM(data.state_lower) + p['x_lb'])[rows]] * len(stages)),
            soft_upper=column([(ca.DM(data.state_upper) + p['x_ub'])[rows]] * len(stages)),
            penalty=column(weights),
            input_lower=data.input_lower,
            input_upper=data.input_upper,
        )


def _named(data: LocalData, structure: MpcStructure, theta: ca.SX) -> dict[str, ca.SX]:
    """Parts of theta as CasADi vectors and matrices, with constants for the parts that are not learned."""
    layout = parameter_layout(data, structure)
    named = {}
    for name, part in layout.slices.items():
        shape = layout.shapes[name]
        flat = theta[part]
        named[name] = ca.reshape(flat, shape[1], shape[0]).T if len(shape) == 2 else flat  # CasADi is column-major
    if structure.scalar_coupling:
        named |= {f'A_{j}': named['ac'] * ca.DM(pattern) for j, pattern in data.coupling.items()}
    if not structure.learn_weights:
        named |= {
            'Q': ca.SX.ones(data.n_states),
            'R': ca.SX.ones(data.n_inputs),
            'w': ca.SX(ca.DM(data.violation_weight)),
        }
    return named


def _cost(data: LocalData, structure: MpcStructure, p: Mapping[str, ca.SX], x: ca.SX, u: ca.SX) -> ca.SX:
    horizon, gamma = structure.horizon, structure.discount
    cost = p['V0']
    for k in range(horizon):
        cost += ca.dot(p['f'], ca.vertcat(x[:, k], u[:, k]))
        cost += 0.5 * gamma**k * ca.dot(ca.DM(data.input_weight), (p['R'] * u[:, k]) ** 2)
    weighted_alike = structure.terminal_cost and not data.terminal_weight.size
    for k in range(horizon + 1 if weighted_alike else horizon):
        cost += 0.5 * gamma**k * ca.dot(ca.DM(data.state_weight), (p['Q'] * x[:, k]) ** 2)
    if data.terminal_weight.size:
        cost += 0.5 * gamma**horizon * ca.bilin(ca.DM(data.terminal_weight), x[:, horizon], x[:, horizon])
    return cost


def _dynamics(p: Mapping[str, ca.SX], x: ca.SX, u: ca.SX, copies: Mapping[int, ca.SX]) -> ca.SX:
    """A x + B u + sum_j A_j x_j + b - x+ for k = 0..N-1; its multiplier is lambda."""
    rows = []
    for k in range(u.shape[1]):
        successor = ca.mtimes(p['A'], x[:, k]) + ca.mtimes(p['B'], u[:, k]) + p['b']
        for j, x_j in copies.items():
            successor += ca.mtimes(p[f'A_{j}'], x_j[:, k])
        rows.append(successor - x[:, k + 1])
    return ca.vertcat(*rows)
