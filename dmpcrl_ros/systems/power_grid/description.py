# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Power networks from descriptions: nested mappings, as in a YAML file; grid.schema.json documents every key."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from dmpcrl_ros.core.graph import CouplingGraph, NetworkError
from dmpcrl_ros.systems.power_grid.area import (
    N_STATES,
    AreaData,
    GridStructure,
    area_bounds,
    area_layout,
    area_parameters,
)
from dmpcrl_ros.systems.power_grid.grid import PowerGrid
from dmpcrl_ros.systems.reading import check_schema, distinct_names, finite, learning_defaults, parts

_STABLE = 1.0 + 1e-6  # a network rotates freely as a whole: one of its eigenvalues is one up to rounding
_CONSTANTS = ('inertia', 'regulation', 'damping', 'turbine_time', 'governor_time', 'input_bound', 'angle_bound')


def grid_from_description(description: Mapping[str, Any]) -> PowerGrid:
    """Build a power network from its description (see grid.schema.json).

    Raises:
        NetworkError: the description does not follow the schema, or its parts do not fit together; the message names
            the area and the quantity.
    """
    check_schema(description, 'power_grid/grid.schema.json', 'areas', 'area')
    areas = description['areas']
    names = distinct_names('areas', areas)
    coefficients, estimates = _lines(description, names)
    structure = GridStructure(**finite('mpc', _chosen(description['mpc'], GridStructure), GridStructure))
    local = tuple(_area(area, description, estimates[i], structure) for i, area in enumerate(areas))
    cost = description['cost']
    grid = PowerGrid(
        name=description['name'],
        agent_names=names,
        graph=_graph(names, coefficients),
        initial_state=_initial_state(areas),
        state_parts=parts([N_STATES] * len(names)),
        input_parts=parts([1] * len(names)),
        local=local,
        structure=structure,
        defaults=learning_defaults(description),
        episode_length=int(description.get('episode_length', 0)),
        period=structure.sampling_time,
        coefficients=coefficients,
        load_steps=_load_steps(description, names),
        load_noise=np.array([_number(a, 'load_noise', 0.0) for a in areas]),
        state_weight=_array('cost', cost, 'state'),
        input_weight=_number(cost, 'input', 0.0),
        violation_weight=_number(cost, 'violation', 0.0),
        tie_line_weight=_number(cost, 'tie_line', 0.0),
    )
    _check_loads(grid)
    _check_plant(grid)
    return grid


def _chosen(values: Mapping[str, Any], kind: type) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def _area(
    area: Mapping[str, Any], description: Mapping[str, Any], estimates: Mapping[int, float], structure: GridStructure
) -> AreaData:
    """Knowledge of the controller of an area: true except for the coefficients."""
    name, mpc, cost = area['name'], description['mpc'], description['cost']
    try:
        initial = {key: np.array(value, dtype=float) for key, value in area.get('parameters', {}).items()}
    except ValueError:
        raise NetworkError(f'area {name}: parameters have rows of different lengths') from None
    data = AreaData(
        **{key: _number(area, key) for key in _CONSTANTS},
        estimates=estimates,
        initial=initial,
        state_weight=_array('mpc', mpc, 'state') if 'state' in mpc else _array('cost', cost, 'state'),
        input_weight=_number(mpc if 'input' in mpc else cost, 'input'),
        violation_weight=_number(cost, 'violation', 0.0),
    )
    if not (data.state_weight > 0.0).all():
        raise NetworkError('mpc.state must be given and positive where a weight of cost.state is zero')
    _check_parameters(name, data)
    _check_model(name, data, structure)
    return data


def _check_parameters(name: str, data: AreaData) -> None:
    layout = area_layout(data)
    try:
        values = layout.unpack(area_parameters(data))
    except ValueError as error:
        raise NetworkError(f'area {name}: {error} (learned here: {", ".join(layout.names)})') from None
    for part, value in values.items():
        if not np.isfinite(value).all():
            raise NetworkError(f'area {name}: parameter {part} contains NaN or infinity')
    if given := sorted(key for key in data.initial if key.startswith('P_')):
        raise NetworkError(f'area {name}: parameter {given[0]} is the estimate of a line: set it in the section lines')
    if np.linalg.eigvalsh(values['Q_x'] + values['Q_x'].T)[0] <= 0.0 or values['Q_u'][0] <= 0.0:
        raise NetworkError(f'area {name}: parameters Q_x and Q_u must be positive definite')
    if values['phi_lb'][0] - values['phi_ub'][0] > 2.0 * data.angle_bound:
        raise NetworkError(
            f'area {name}: parameters phi_lb and phi_ub make the lower bound of the angle lie above the upper one'
        )
    lower, upper = (layout.unpack(side) for side in area_bounds(data))
    for part, value in values.items():
        if not part.startswith('P_') and ((value < lower[part]) | (value > upper[part])).any():
            raise NetworkError(f'area {name}: parameter {part} is beyond the bounds that learning keeps')


def _check_model(name: str, data: AreaData, structure: GridStructure) -> None:
    """Check that the first model of an area, with its neighbours at rest, can be discretised and is stable."""
    total = sum(data.estimates.values())
    try:
        radius = _radius(data.held(structure.sampling_time).at(total)[:, :N_STATES])
    except ArithmeticError as error:
        raise NetworkError(
            f'area {name}: {error}: its time constants, coefficients and the sampling time do not fit together'
        ) from None
    if radius > _STABLE:
        raise NetworkError(
            f'area {name}: the discretised model with the estimated coefficients (their sum is '
            f'{total:g}) is unstable: spectral radius {radius:.4g}'
        )


def _check_plant(grid: PowerGrid) -> None:
    n = N_STATES * grid.n_agents
    try:
        transition = grid.held().at(0.0)[:, :n]
    except ArithmeticError as error:
        raise NetworkError(
            f'{grid.name}: {error}: its time constants, coefficients and the sampling time do not fit together'
        ) from None
    if (radius := _radius(transition)) > _STABLE:
        values, vectors = np.linalg.eig(transition)
        shape = np.abs(vectors[:, np.argmax(np.abs(values))]).reshape(-1, N_STATES).sum(axis=1)
        raise NetworkError(
            f'area {grid.names[int(np.argmax(shape))]}: the discretised network with the true '
            f'coefficients is unstable there: spectral radius {radius:.4g}'
        )


def _radius(matrix: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def _lines(description: Mapping[str, Any], names: tuple[str, ...]) -> tuple[np.ndarray, list[dict[int, float]]]:
    """True coefficients (n, n), and the estimates of each area by neighbour."""
    coefficients = np.zeros((len(names),) * 2)
    estimates: list[dict[int, float]] = [{} for _ in names]
    for line in description.get('lines', []):
        one, other = line['areas']
        for name in (one, other):
            if name not in names:
                raise NetworkError(f'lines: {name!r} is not an area; there are {", ".join(names)}')
        i, j = names.index(one), names.index(other)
        if i == j:
            raise NetworkError(f'area {one}: a line connects it to itself')
        if coefficients[i, j]:
            raise NetworkError(
                f'areas {one} and {other}: there are two lines between them; give the sum of their coefficients'
            )
        forth, back = _both_ends(line, 'coefficient')
        if forth != back:
            raise NetworkError(
                f'areas {one} and {other}: the coefficient of their line is not symmetric: {forth:g} '
                f'and {back:g}, but what leaves one area arrives in the other'
            )
        if forth <= 0.0:
            raise NetworkError(
                f'areas {one} and {other}: the coefficient of their line must be positive, not {forth:g}'
            )
        coefficients[i, j] = coefficients[j, i] = forth
        estimates[i][j], estimates[j][i] = _both_ends(line, 'estimates' if 'estimates' in line else 'coefficient')
    return coefficients, estimates


def _both_ends(line: Mapping[str, Any], key: str) -> tuple[float, float]:
    found = np.broadcast_to(np.array(line[key], dtype=float), 2)
    if not np.isfinite(found).all():
        raise NetworkError(f'areas {" and ".join(line["areas"])}: {key} of their line contains NaN or infinity')
    return float(found[0]), float(found[1])


def _graph(names: tuple[str, ...], coefficients: np.ndarray) -> CouplingGraph:
    isolated = [name for name, row in zip(names, coefficients, strict=True) if not row.any()]
    if isolated and len(names) > 1:
        raise NetworkError(f'area {isolated[0]} is isolated: no line leads to another area')
    try:
        return CouplingGraph([np.flatnonzero(row).tolist() for row in coefficients])
    except NetworkError as error:
        legend = ', '.join(f'{i} is {name}' for i, name in enumerate(names))
        raise NetworkError(f'{error} ({legend})') from None


def _load_steps(description: Mapping[str, Any], names: tuple[str, ...]) -> tuple[tuple[int, np.ndarray], ...]:
    found, loads, last = [], np.zeros(len(names)), -1
    for entry in description.get('loads', []):
        if entry['step'] <= last:
            raise NetworkError(f'loads: step {entry["step"]} does not come after step {last}')
        last, loads = int(entry['step']), loads.copy()
        if 0 < (length := int(description.get('episode_length', 0))) <= last:
            raise NetworkError(f'loads: step {last} comes after the end of an episode of {length} steps')
        for name in entry['values']:
            if name not in names:
                raise NetworkError(f'loads: {name!r} is not an area; there are {", ".join(names)}')
            loads[names.index(name)] = _number(entry['values'], name)
        found.append((last, loads))
    return tuple(found)


def _check_loads(grid: PowerGrid) -> None:
    """Refuse loads that all areas together cannot supply.

    Power flows between areas, so only the sums must match in the long run: area 4 of paper 001 cannot supply its load
    alone.
    """
    bound, before = grid.stacked('input_upper').sum(), np.zeros(grid.n_agents)
    for step, loads in grid.load_steps:
        if abs(loads.sum()) > bound:
            changed = int(np.argmax((loads - before) * np.sign(loads.sum())))
            raise NetworkError(
                f'area {grid.names[changed]}: its load of {loads[changed]:g} from step {step} on '
                f'cannot be supplied: all loads add up to {loads.sum():g} then, the input bounds of all '
                f'areas to {bound:g}'
            )
        before = loads


def _initial_state(areas: list[Mapping[str, Any]]) -> np.ndarray:
    return np.concatenate(
        [
            _array(f'area {area["name"]}', {'initial_state': [0.0] * N_STATES} | dict(area), 'initial_state')
            for area in areas
        ]
    )


def _array(place: str, section: Mapping[str, Any], key: str) -> np.ndarray:
    array = np.array(section[key], dtype=float)
    if not np.isfinite(array).all():
        raise NetworkError(f'{place}: {key} contains NaN or infinity')
    return array


def _number(section: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = float(section[key] if default is None else section.get(key, default))
    if not np.isfinite(value):
        place = f'area {section["name"]}: ' if 'name' in section else ''
        raise NetworkError(f'{place}{key} is not a finite number')
    return value
