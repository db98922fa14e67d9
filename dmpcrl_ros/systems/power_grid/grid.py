# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A power network and its plant, exact in continuous time for references and loads held between control steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.randomness import stream
from dmpcrl_ros.mpc.problem import ParametricProblem, join_central, join_local
from dmpcrl_ros.systems.mpc_system import MpcSystem
from dmpcrl_ros.systems.power_grid.area import (
    DISTURBANCE_SCALE,
    N_STATES,
    AreaData,
    GridStructure,
    PowerArea,
    area_bounds,
    area_layout,
    area_parameters,
    least_eigenvalue,
)
from dmpcrl_ros.systems.power_grid.sizes import area_parameter_sizes, area_sizes, operating_sizes
from dmpcrl_ros.systems.zero_order_hold import ZeroOrderHold


@dataclass(frozen=True, kw_only=True)
class PowerGrid(MpcSystem):
    """Areas that generate and consume power, connected by lines, after a benchmark of the Hycon2 project.

    Stage cost of area i with the set points xs, us of its load::

        (x - xs)' diag(state_weight) (x - xs) + input_weight (u - us)^2 + violation_weight max(0, |dphi| - phi_max)
        + tie_line_weight T sum_j |P_ij (dphi_i - dphi_j)|

    A line counts at both of its ends.

    Args:
        coefficients: true P_ij (n_agents, n_agents), symmetric, zero where there is no line.
        load_steps: nominal loads (n_agents,) with the step of the episode from which they act on the plant, ascending;
            zero before the first. The agents receive them one step later, as after a measurement.
        load_noise: half width (n_agents,) of the uniform noise on each load in each step.
        state_weight: of the stage cost (4,).
        input_weight: of the stage cost.
        violation_weight: of the stage cost.
        tie_line_weight: of the stage cost.
    """

    coefficients: np.ndarray
    load_steps: tuple[tuple[int, np.ndarray], ...]
    load_noise: np.ndarray
    state_weight: np.ndarray
    input_weight: float
    violation_weight: float
    tie_line_weight: float
    local: tuple[AreaData, ...]
    structure: GridStructure

    def nominal_load(self, step: int) -> np.ndarray:
        """Load of each area (n_agents,) from this step of an episode to the next; zero before the episode."""
        past = [loads for first, loads in self.load_steps if first <= step]
        return past[-1] if past else np.zeros(self.n_agents)

    def exogenous_at(self, step: int) -> list[np.ndarray]:
        """Nominal load (1,) of each area as measured at the beginning of this step of an episode."""
        return list(self.nominal_load(step - 1)[:, None])

    def held(self) -> ZeroOrderHold:
        """Response of the whole network over a control step to all references, then all loads."""
        n = self.n_agents
        a, inputs = np.zeros((N_STATES * n,) * 2), np.zeros((N_STATES * n, 2 * n))
        for i, (data, x) in enumerate(zip(self.local, self.state_parts, strict=True)):
            own, direction, ports = data.dynamics()
            a[x, x] = own + self.coefficients[i].sum() * direction
            inputs[x, i], inputs[x, n + i] = ports[:, 0], ports[:, 1]
            for j in np.flatnonzero(self.coefficients[i]):
                a[x, self.state_parts[j].start] = self.coefficients[i, j] * ports[:, 2]
        return ZeroOrderHold(a, np.zeros_like(a), inputs, self.structure.sampling_time)

    def parameters(self, index: int) -> tuple[ParameterLayout, np.ndarray]:
        """Names and initial values (p,) of theta_i."""
        return area_layout(self.local[index]), area_parameters(self.local[index])

    def parameter_bounds(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (p,) of theta_i."""
        return area_bounds(self.local[index])

    @cached_property
    def cost_size(self) -> float:
        """Mean stage cost of the areas in normal operation (see operating_sizes)."""
        loads = np.max([np.abs(loads) for _, loads in self.load_steps], axis=0, initial=0.0) + self.load_noise
        sizes = [
            operating_sizes(data, self.structure.sampling_time, float(load))
            for data, load in zip(self.local, loads, strict=True)
        ]
        return float(np.mean([self.state_weight @ x**2 + self.input_weight * u.item() ** 2 for x, u in sizes]))

    def input_sizes(self, index: int) -> np.ndarray:
        """Size of the input of one area (1,)."""
        return area_sizes(self.local[index], self.structure.sampling_time)[1]

    def parameter_sizes(self, index: int) -> np.ndarray:
        """Sizes (p,) of theta_i."""
        return area_parameter_sizes(self.local[index], self.structure.sampling_time, self.cost_size)

    def definite_parameters(self, index: int) -> dict[str, float]:
        """Q_x, which must stay symmetric and positive definite."""
        return {'Q_x': least_eigenvalue(self.local[index])}

    def local_problem(self, index: int) -> ParametricProblem:
        """Problem of one area."""
        return join_local(PowerArea(self.local[index], self.structure), self.structure.horizon)

    def central_problem(self) -> ParametricProblem:
        """Problem of the whole network."""
        return join_central([PowerArea(data, self.structure) for data in self.local], self.structure.horizon)

    def stage_costs(self, state: np.ndarray, action: np.ndarray, exogenous: Sequence[np.ndarray]) -> np.ndarray:
        """L_i (n_agents,) about the set points of the nominal loads."""
        load = np.concatenate(exogenous)
        error = state.reshape(-1, N_STATES) - np.outer(load, [0.0, 0.0, 1.0, 1.0])
        angle = state[::N_STATES]
        flow = np.abs(self.coefficients * np.subtract.outer(angle, angle)).sum(axis=1)
        return (
            error**2 @ self.state_weight
            + self.input_weight * (action - load) ** 2
            + self.violation_weight * self.violation(state)[::N_STATES]
            + self.tie_line_weight * self.structure.sampling_time * flow
        )

    def for_baselines(self) -> 'PowerGrid':
        """Variant with a terminal cost, which the learning agents do not have."""
        return replace(self, structure=replace(self.structure, terminal_cost=True))

    def model_parameters(self, index: int, *, exact: bool) -> np.ndarray:
        """theta_i (p,) with the weights of the stage cost, without offsets."""
        return area_parameters(self._baseline_area(index, exact))

    def sample_deviations(self, index: int, *, exact: bool, count: int, seed: int) -> np.ndarray:
        """Deviations (count, p) of the scenarios of one area.

        The disturbance is a load, through the column of the model for loads. The description has no uncertainty of the
        coefficients: without the true ones, all scenarios have the estimates. The released program draws new scenarios
        in every step.
        """
        data = self._baseline_area(index, exact)
        layout, held = area_layout(data), data.held(self.structure.sampling_time)
        by_load = held.at(sum(data.estimates.values()))[:, -2]
        bound = self.load_noise[index]
        loads = stream(seed, 'scenarios', index).uniform(-bound, bound, count)
        deviations = np.zeros((count, layout.size))
        deviations[:, layout.slices['b']] = np.outer(loads, by_load) / DISTURBANCE_SCALE
        return deviations

    def _baseline_area(self, index: int, exact: bool) -> AreaData:
        data = replace(self.local[index], initial={}, state_weight=self.state_weight, input_weight=self.input_weight)
        true = {j: float(self.coefficients[index, j]) for j in data.neighbours}
        return replace(data, estimates=true) if exact else data

    def plant(self, seed: int) -> 'GridPlant':
        """True network with the noise of `seed`."""
        return GridPlant(self, seed)


class GridPlant:
    """The true network in closed loop.

    Args:
        grid: the description.
        seed: of the noise of the loads.
    """

    def __init__(self, grid: PowerGrid, seed: int):
        self._grid = grid
        held = grid.held().at(0.0)
        n = N_STATES * grid.n_agents
        self._a, self._ports = held[:, :n], held[:, n:]
        self._input_lower, self._input_upper = grid.stacked('input_lower'), grid.stacked('input_upper')
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Return to the initial state and the first load, with the noise of `seed` from its beginning."""
        self._noise = stream(seed, 'noise')
        self.begin_episode(0)

    def begin_episode(self, index: int) -> None:
        """Return to the initial state and the first load, with the next noise."""
        self.state, self._step = self._grid.initial_state.copy(), 0

    def observe(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """State (4,) and nominal load (1,) of each area, as measured at the beginning of this step."""
        return [self.state[part].copy() for part in self._grid.state_parts], self._grid.exogenous_at(self._step)

    def step(self, actions: Sequence[np.ndarray]) -> np.ndarray:
        """Apply the references of all areas for one control step and return their stage costs L_i (n_agents,).

        References are saturated at their bounds.

        Raises:
            ArithmeticError: the state has left the range of numbers.
        """
        grid = self._grid
        reference = np.clip(np.concatenate(actions), self._input_lower, self._input_upper)
        costs = grid.stage_costs(self.state, reference, grid.exogenous_at(self._step))
        load = grid.nominal_load(self._step) + self._noise.uniform(-grid.load_noise, grid.load_noise)
        self.state = self._a @ self.state + self._ports @ np.concatenate([reference, load])
        self._step += 1
        if not np.isfinite(self.state).all():
            raise ArithmeticError('the state of the plant is no longer finite: the closed loop has diverged')
        return costs
