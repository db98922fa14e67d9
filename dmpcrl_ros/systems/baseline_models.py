"""What controllers that do not learn know of a network: its inexact or its true model, and how uncertain it is.

Both are parameters theta_i of the same problem that the learning agents have, whose names and order they keep.
"""

from dataclasses import replace
from functools import singledispatch

import numpy as np

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.randomness import stream
from dmpcrl_ros.systems.linear.formulation import initial_parameters, parameter_layout
from dmpcrl_ros.systems.linear.network import LinearNetwork, LocalModel
from dmpcrl_ros.systems.power_grid.area import DISTURBANCE_SCALE, AreaData, area_layout, area_parameters
from dmpcrl_ros.systems.power_grid.grid import PowerGrid
from dmpcrl_ros.systems.system import Scenario

_OFFSETS = ('V0', 'x_lb', 'x_ub', 'b', 'f')


@singledispatch
def as_compared(network: Scenario) -> Scenario:
    """The network as the MPC that does not learn has it in the published comparisons: as it is."""
    return network


@as_compared.register
def _(network: PowerGrid) -> PowerGrid:
    """With the terminal cost that the learning agents do not have."""
    return replace(network, structure=replace(network.structure, terminal_cost=True))


@singledispatch
def model_parameters(network: Scenario, index: int, *, exact: bool) -> np.ndarray:
    """theta_i (p,) of the MPC that does not learn: the model, and no offsets.

    Args:
        exact: the true dynamics instead of the first model of the description.

    Raises:
        NetworkError: the true coupling is none that one scalar can describe, where the scenario learns one.
    """
    raise NetworkError(f'{network.name}: there is no MPC that does not learn for this kind of network')


@model_parameters.register
def _(network: LinearNetwork, index: int, *, exact: bool) -> np.ndarray:
    data, structure = network.local[index], network.structure
    theta = initial_parameters(data, structure)
    parts = parameter_layout(data, structure).unpack(theta)
    for name in _OFFSETS:
        parts[name][...] = 0.0
    if exact:
        for name, value in _named(network, index, network.dynamics(index)).items():
            parts[name][...] = value
    return theta


@model_parameters.register
def _(network: PowerGrid, index: int, *, exact: bool) -> np.ndarray:
    """With the weights of the stage cost."""
    return area_parameters(_compared_area(network, index, exact))


def _compared_area(grid: PowerGrid, index: int, exact: bool) -> AreaData:
    data = replace(grid.local[index], initial={}, state_weight=grid.state_weight, input_weight=grid.input_weight)
    true = {j: float(grid.coefficients[index, j]) for j in data.neighbours}
    return replace(data, estimates=true) if exact else data


@singledispatch
def sample_deviations(network: Scenario, index: int, *, exact: bool, count: int, seed: int) -> np.ndarray:
    """Deviations (count, p) of the scenarios of one agent from its theta_i, drawn once for a run.

    A scenario has a model, drawn uniformly from the uncertainty, and a disturbance, drawn uniformly from the agent's
    noise and held over the horizon, which enters as the offset b. Whatever the number of scenarios and the model, the
    first of them are the same. The released program draws the disturbance on all states, those without noise, too.

    Args:
        exact: the model is known; scenarios differ in their disturbance only.
        seed: of the run; together with the agent it decides the draws.

    Raises:
        NetworkError: as `model_parameters`.
    """
    raise NetworkError(f'{network.name}: there is no scenario-based MPC for this kind of network')


@sample_deviations.register
def _(network: PowerGrid, index: int, *, exact: bool, count: int, seed: int) -> np.ndarray:
    """The disturbance is a load, through the column of the model by which loads enter. How uncertain the coefficients
    are is not described: without the true ones, the estimates are used in all scenarios. The released program draws
    new scenarios in every step."""
    data = _compared_area(network, index, exact)
    layout, held = area_layout(data), data.held(network.structure.sampling_time)
    by_load = held.at(sum(data.estimates.values()))[:, -2]
    bound = network.load_noise[index]
    loads = stream(seed, 'scenarios', index).uniform(-bound, bound, count)
    deviations = np.zeros((count, layout.size))
    deviations[:, layout.slices['b']] = np.outer(loads, by_load) / DISTURBANCE_SCALE
    return deviations


@sample_deviations.register
def _(network: LinearNetwork, index: int, *, exact: bool, count: int, seed: int) -> np.ndarray:
    layout = parameter_layout(network.local[index], network.structure)
    part = network.state_parts[index]
    sides = []
    for model, noise in zip(network.uncertainty[index], (network.noise_lower, network.noise_upper), strict=True):
        known = {} if exact else _named(network, index, model)
        zeros = {name: np.zeros(shape) for name, shape in layout.shapes.items()}
        sides.append(layout.pack(zeros | known | {'b': noise[part]}))
    lower, upper = sides
    return lower + (upper - lower) * stream(seed, 'scenarios', index).random((count, layout.size))


def _named(network: LinearNetwork, index: int, model: LocalModel) -> dict[str, np.ndarray]:
    """The parts of theta_i that a model, or a deviation from one, consists of."""
    named = {'A': model.a, 'B': model.b}
    if not network.structure.scalar_coupling:
        return named | {f'A_{j}': matrix for j, matrix in model.coupling.items()}
    patterns = network.local[index].coupling
    pattern, matrix = (np.concatenate([np.zeros(0), *(side[j].ravel() for j in patterns)])
                       for side in (patterns, model.coupling))
    scalar = pattern @ matrix / (pattern @ pattern or 1.0)
    if not np.allclose(scalar * pattern, matrix, rtol=0.0, atol=1e-12):
        raise NetworkError(f'agent {network.agents[index]}: with scalar_coupling, the coupling in its dynamics and in '
                           'its uncertainty must be a multiple of its coupling_pattern')
    return named | {'ac': np.array([scalar])}
