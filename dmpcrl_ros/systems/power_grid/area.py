# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The MPC of one area of a power network (paper 001, section 6.2; the constants of its release where they differ).

State (dphi, domega, dP_m, dP_v): angle, frequency, mechanical power, valve position; input: power reference u; load d::

    2H domega' = -sum_j P_ij (dphi_i - dphi_j) - D domega + dP_m - d,     dphi' = domega,
    T_t dP_m'  = dP_v - dP_m,          T_g dP_v' = u - dP_v - domega / R.

Area i minimises over k = 0..N, with set points xs = (0, 0, d, d) and us = d for the load d that it receives::

    V0 + sum_{k<N} (f'[x(k); u(k)] + gamma^k ((x(k) - xs)' Q_x (x(k) - xs) + Q_u (u(k) - us)^2))
       + w sum_{k=1..N} gamma^(k-1) sigma(k)
    subject to  x(k+1) = A x(k) + B u(k) + L d + sum_j A_j x_j(k) + 0.1 b,   |u(k)| <= u_max,
                -phi_max + phi_lb - sigma(k) <= dphi(k) <= phi_max + phi_ub + sigma(k),   sigma(k) >= 0,  k = 1..N.

The load and the neighbours' states are held between two control steps like the input. So the exact matrix exponential
gives A, B, L and A_j as functions of the learned coefficients P_ij. (The release truncates its series after 30 terms,
with an error of up to 0.09.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import casadi as ca
import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.mpc.problem import AgentTerms, AgentVariables, column
from dmpcrl_ros.systems.power_grid.coefficient_map import CoefficientMap
from dmpcrl_ros.systems.zero_order_hold import ZeroOrderHold

N_STATES = 4
DISTURBANCE_SCALE = 0.1  # of b, so that its learning rate may be that of the rest
_LEAST_WEIGHT = 0.01  # of a learned weight, relative to its initial value

_FREE: dict[str, tuple[int, ...]] = {
    'V0': (1,),
    'phi_lb': (1,),
    'phi_ub': (1,),
    'b': (N_STATES,),
    'f': (N_STATES + 1,),
    'Q_x': (N_STATES, N_STATES),
    'Q_u': (1,),
}
_MODEL: dict[str, tuple[int, ...]] = {'A': (N_STATES, N_STATES), 'B': (N_STATES,), 'L': (N_STATES,)}


@dataclass(frozen=True, kw_only=True)
class GridStructure:
    """Structure common to the MPC of all areas.

    Args:
        horizon: N, control steps.
        discount: gamma, in (0, 1].
        sampling_time: of a control step [s].
        terminal_cost: whether x(N) is weighted like the other states, in the local problems and in the centralised one.
            The release weights it only in the centralised one, so its two problems differ.
    """

    horizon: int
    discount: float
    sampling_time: float
    terminal_cost: bool = False


@dataclass(frozen=True, kw_only=True)
class AreaData:
    """Knowledge of area i before learning, in per unit and seconds.

    Args:
        inertia: H, inertia constant.
        regulation: R, of the speed.
        damping: D, of the frequency.
        turbine_time: T_t [s].
        governor_time: T_g [s].
        input_bound: u_max.
        angle_bound: phi_max, soft.
        state_weight: initial diagonal of Q_x (4,), positive.
        input_weight: initial Q_u, positive.
        violation_weight: w, of the soft bound.
        estimates: for each neighbour j, the initial P_ij.
        initial: initial values of other parameters; those not named start at zero.
    """

    inertia: float
    regulation: float
    damping: float
    turbine_time: float
    governor_time: float
    input_bound: float
    angle_bound: float
    state_weight: np.ndarray
    input_weight: float
    violation_weight: float
    estimates: Mapping[int, float] = field(default_factory=dict)
    initial: Mapping[str, np.ndarray] = field(default_factory=dict)

    n_states, n_inputs, n_exogenous = N_STATES, 1, 1

    @cached_property
    def state_lower(self) -> np.ndarray:
        """Bounds of (dphi, domega, dP_m, dP_v)."""
        return np.array([-self.angle_bound, -np.inf, -np.inf, -np.inf])

    @cached_property
    def state_upper(self) -> np.ndarray:
        """Bounds of (dphi, domega, dP_m, dP_v)."""
        return -self.state_lower

    @cached_property
    def input_lower(self) -> np.ndarray:
        """Bound of u (1,)."""
        return np.array([-self.input_bound])

    @cached_property
    def input_upper(self) -> np.ndarray:
        """Bound of u (1,)."""
        return np.array([self.input_bound])

    @cached_property
    def safe_input(self) -> np.ndarray:
        """u (1,) for a step without a decision: the power of the operating point."""
        return np.zeros(1)

    @property
    def neighbours(self) -> tuple[int, ...]:
        """Areas at the other end of its lines, in ascending order."""
        return tuple(sorted(self.estimates))

    def dynamics(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A and D of dx/dt = (A + s D) x + E [u; d; p] (4, 4), and E (4, 3), in continuous time.

        s is the sum of the coefficients of all lines and p that of each coefficient times the angle at its other end.
        """
        speed = 1.0 / (2.0 * self.inertia)
        a = np.array(
            [
                [0.0, 1.0, 0.0, 0.0],
                [0.0, -self.damping * speed, speed, 0.0],
                [0.0, 0.0, -1.0 / self.turbine_time, 1.0 / self.turbine_time],
                [0.0, -1.0 / (self.regulation * self.governor_time), 0.0, -1.0 / self.governor_time],
            ]
        )
        direction, inputs = np.zeros((N_STATES, N_STATES)), np.zeros((N_STATES, 3))
        direction[1, 0] = -speed
        inputs[3, 0], inputs[1, 1], inputs[1, 2] = 1.0 / self.governor_time, -speed, speed
        return a, direction, inputs

    def held(self, time: float) -> ZeroOrderHold:
        """Response of the area over a control step, as a function of the sum of its coefficients."""
        return ZeroOrderHold(*self.dynamics(), time)


def area_layout(data: AreaData) -> ParameterLayout:
    """Named parts of theta_i: the free ones, then the coefficients."""
    return ParameterLayout(_FREE | {f'P_{j}': (1,) for j in data.neighbours})


def area_parameters(data: AreaData) -> np.ndarray:
    """theta_i before learning."""
    values = {name: np.zeros(shape) for name, shape in _FREE.items()}
    values |= {'Q_x': np.diag(data.state_weight), 'Q_u': np.array([data.input_weight])}
    values |= {f'P_{j}': np.array([estimate]) for j, estimate in data.estimates.items()}
    return area_layout(data).pack(values | dict(data.initial))


def area_bounds(data: AreaData) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (p,) of theta_i.

    Q_u stays above a hundredth of its initial value, and the soft bounds stay on their sides of zero. The coefficients
    do not become negative: a line would then drive its ends apart.
    """
    layout = area_layout(data)
    lower = {name: np.full(shape, -np.inf) for name, shape in layout.shapes.items()}
    upper = {name: np.full(shape, np.inf) for name, shape in layout.shapes.items()}
    lower |= {'Q_u': np.array([_LEAST_WEIGHT * data.input_weight]), 'phi_ub': np.array([-data.angle_bound])}
    lower |= {f'P_{j}': np.zeros(1) for j in data.neighbours}
    upper['phi_lb'] = np.array([data.angle_bound])
    return layout.pack(lower), layout.pack(upper)


def least_eigenvalue(data: AreaData) -> float:
    """Smallest allowed eigenvalue of Q_x, a hundredth of its initial one, which keeps the problem convex."""
    return _LEAST_WEIGHT * float(data.state_weight.min())


class PowerArea:
    """Terms of one area (an AgentFormulation)."""

    n_states, n_inputs = N_STATES, 1

    def __init__(self, data: AreaData, structure: GridStructure):
        self._data, self._structure = data, structure
        self.parent_states = dict.fromkeys(data.neighbours, N_STATES)

    def terms(self, variables: AgentVariables) -> AgentTerms:
        """Contribution of the area; phi has A, B, L and the first columns of A_j in place of the coefficients."""
        data, structure = self._data, self._structure
        layout = ParameterLayout(_FREE | _MODEL | {f'A_{j}': (N_STATES,) for j in data.neighbours})
        phi, load = ca.SX.sym('phi', layout.size), ca.SX.sym('load')
        p = {name: phi[part] for name, part in layout.slices.items()}
        p |= {name: ca.reshape(p[name], N_STATES, N_STATES).T for name in ('Q_x', 'A')}  # CasADi is column-major
        stages = range(1, structure.horizon + 1)
        return AgentTerms(
            parameters=phi,
            exogenous=load,
            parameter_map=self._map(),
            n_theta=area_layout(data).size,
            objective=self._cost(p, variables.x, variables.u, load),
            residual=self._dynamics(p, variables, load),
            soft=np.array([(k, 0) for k in stages]),
            soft_lower=column([p['phi_lb'] - data.angle_bound] * len(stages)),
            soft_upper=column([p['phi_ub'] + data.angle_bound] * len(stages)),
            penalty=column([data.violation_weight * structure.discount ** (k - 1) for k in stages]),
            input_lower=data.input_lower,
            input_upper=data.input_upper,
        )

    def _map(self) -> CoefficientMap:
        return CoefficientMap(self._data.held(self._structure.sampling_time), ParameterLayout(_FREE).size)

    def _cost(self, p: Mapping[str, ca.SX], x: ca.SX, u: ca.SX, load: ca.SX) -> ca.SX:
        horizon, gamma = self._structure.horizon, self._structure.discount
        set_point = ca.vertcat(0.0, 0.0, load, load)
        cost = p['V0']
        for k in range(horizon):
            cost += ca.dot(p['f'], ca.vertcat(x[:, k], u[:, k])) + gamma**k * p['Q_u'] * (u[:, k] - load) ** 2
        for k in range(horizon + 1 if self._structure.terminal_cost else horizon):
            cost += gamma**k * ca.bilin(p['Q_x'], x[:, k] - set_point, x[:, k] - set_point)
        return cost

    @staticmethod
    def _dynamics(p: Mapping[str, ca.SX], variables: AgentVariables, load: ca.SX) -> ca.SX:
        """A x + B u + L d + sum_j A_j x_j + 0.1 b - x+ for k = 0..N-1."""
        x, u, rows = variables.x, variables.u, []
        for k in range(u.shape[1]):
            successor = p['A'] @ x[:, k] + p['B'] * u[:, k] + p['L'] * load + DISTURBANCE_SCALE * p['b']
            for j, x_j in variables.parents.items():
                successor += p[f'A_{j}'] * x_j[0, k]
            rows.append(successor - x[:, k + 1])
        return ca.vertcat(*rows)
