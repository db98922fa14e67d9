# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Linear networks from descriptions: nested mappings, as in a YAML file; network.schema.json documents every key."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dmpcrl_ros.core.graph import CouplingGraph, NetworkError
from dmpcrl_ros.systems.linear.agent_reader import AgentReader
from dmpcrl_ros.systems.linear.discretisation import discretised_model, discretised_network
from dmpcrl_ros.systems.linear.formulation import LocalData, MpcStructure, initial_parameters, parameter_layout
from dmpcrl_ros.systems.linear.network import LinearNetwork, LocalModel
from dmpcrl_ros.systems.linear.terminal_weight import terminal_weight
from dmpcrl_ros.systems.reading import check_schema, distinct_names, finite, learning_defaults, parts, read_yaml


def load_network(path: str | Path) -> LinearNetwork:
    """Read a network from a YAML file.

    Raises:
        NetworkError: the file cannot be read, is not YAML, or contradicts itself; the message names the place.
    """
    description = read_yaml(path)
    try:
        return from_description(description)
    except NetworkError as error:
        raise NetworkError(f'{path}: {error}') from None


def from_description(description: Mapping[str, Any]) -> LinearNetwork:
    """Build a network from its description (see network.schema.json).

    Raises:
        NetworkError: the description does not follow the schema, or its parts do not fit; the message names them.
    """
    check_schema(description, 'linear/network.schema.json', 'agents', 'agent')
    agents = description['agents']
    names = distinct_names('agents', agents)
    structure = MpcStructure(**finite('mpc', description['mpc'], MpcStructure))
    if structure.continuous_time and 'sampling_time' not in description['mpc']:
        raise NetworkError('mpc.continuous_time needs mpc.sampling_time')
    dimensions = [(len(agent['dynamics']['A']), _columns(agent['dynamics']['B'])) for agent in agents]
    of_states, of_inputs = (parts(sizes) for sizes in zip(*dimensions, strict=True))
    a, b = np.zeros((of_states[-1].stop,) * 2), np.zeros((of_states[-1].stop, of_inputs[-1].stop))
    local, uncertainty = [], []
    for i, agent in enumerate(agents):
        read = AgentReader(agent, dimensions[i], dict(zip(names, (d[0] for d in dimensions), strict=True)))
        x, u = of_states[i], of_inputs[i]
        a[x, x], b[x, u] = read.matrices('dynamics')
        coupling = read.coupling('dynamics')
        for parent, matrix in coupling.items():
            a[x, of_states[names.index(parent)]] = matrix
        local.append(_local_data(read, names, coupling, structure))
        uncertainty.append(_uncertainty(read, names, local[-1]))
    if structure.continuous_time:
        a, b = discretised_network(a, b, structure.sampling_time)
    nx = [d[0] for d in dimensions]
    return LinearNetwork(
        name=description['name'],
        agent_names=names,
        graph=_graph(local, names),
        a=a,
        b=b,
        noise_lower=_stack(agents, ('noise', 'lower'), nx),
        noise_upper=_stack(agents, ('noise', 'upper'), nx),
        initial_state=_stack(agents, ('initial_state',), nx),
        state_parts=of_states,
        input_parts=of_inputs,
        local=tuple(local),
        uncertainty=tuple(uncertainty),
        structure=structure,
        defaults=learning_defaults(description),
        period=structure.sampling_time,
    )


def _local_data(
    read: AgentReader, names: tuple[str, ...], coupling: Mapping[str, np.ndarray], structure: MpcStructure
) -> LocalData:
    """Knowledge of the agent: true bounds and costs, and an initial guess of the model."""
    nx, nu = read.nx, read.nu
    model_a, model_b, model_coupling = _first_model(read, coupling, structure)
    data = LocalData(
        state_lower=read.array(('bounds', 'state', 'lower'), (nx,), -np.inf, unbounded=True),
        state_upper=read.array(('bounds', 'state', 'upper'), (nx,), np.inf, unbounded=True),
        input_lower=read.array(('bounds', 'input', 'lower'), (nu,), -np.inf, unbounded=True),
        input_upper=read.array(('bounds', 'input', 'upper'), (nu,), np.inf, unbounded=True),
        state_weight=read.array(('cost', 'state'), (nx,)),
        input_weight=read.array(('cost', 'input'), (nu,)),
        violation_weight=read.array(('cost', 'violation'), (nx,), 0.0),
        model_a=model_a,
        model_b=model_b,
        coupling={names.index(name): matrix for name, matrix in model_coupling.items()},
        initial={name: read.free(('parameters', name)) for name in read.agent.get('parameters', {})},
        safe_input=read.array(('safe_input',), (nu,)) if 'safe_input' in read.agent else np.zeros(0),
    )
    _check_signs(read.agent['name'], data)
    _check_parameters(read.agent['name'], data, structure)
    _check_noise(read)
    if 'terminal' in read.agent['cost']:
        return replace(data, terminal_weight=terminal_weight(read, data, structure.discount))
    return data


def _first_model(
    read: AgentReader, coupling: Mapping[str, np.ndarray], structure: MpcStructure
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A, B and A_j of the agent's first model; with scalar coupling the patterns in place of A_j."""
    section = 'model' if 'model' in read.agent else 'dynamics'
    model_a, model_b = read.matrices(section)
    model_coupling = read.coupling(section)
    if missing := sorted(set(coupling) - set(model_coupling)):
        raise NetworkError(
            f'agent {read.agent["name"]}: model.neighbours lacks {", ".join(missing)}, whose state '
            'enters its dynamics; give a matrix of zeros if its effect is unknown'
        )
    if structure.continuous_time:
        model_a, model_b, model_coupling = discretised_model(model_a, model_b, model_coupling, structure.sampling_time)
    if unknown := sorted(set(read.agent.get('coupling_pattern', {})) - set(model_coupling)):
        raise NetworkError(
            f'agent {read.agent["name"]}: coupling_pattern names {unknown[0]!r}, which is not one of its neighbours'
        )
    if structure.scalar_coupling:
        model_coupling = {
            name: read.array(('coupling_pattern', name), matrix.shape, default=1.0)
            for name, matrix in model_coupling.items()
        }
    return model_a, model_b, model_coupling


def _uncertainty(read: AgentReader, names: Sequence[str], data: LocalData) -> tuple[LocalModel, LocalModel]:
    """Smallest and largest deviation from the agent's model; zero for parts that are not given."""
    sides = []
    for side in ('lower', 'upper'):
        path = ('uncertainty', side)
        described = read.agent.get('uncertainty', {}).get(side, {}).get('neighbours', {})
        if unknown := sorted(set(described) - {names[j] for j in data.coupling}):
            raise NetworkError(
                f'agent {read.agent["name"]}: uncertainty.{side}.neighbours names {unknown[0]!r}, '
                'which is not one of its neighbours'
            )
        sides.append(
            LocalModel(
                a=read.array((*path, 'A'), data.model_a.shape, 0.0),
                b=read.array((*path, 'B'), data.model_b.shape, 0.0),
                coupling={
                    j: read.array((*path, 'neighbours', names[j]), matrix.shape, 0.0)
                    for j, matrix in data.coupling.items()
                },
            )
        )
    lower, upper = sides
    pairs = [
        ('A', lower.a, upper.a),
        ('B', lower.b, upper.b),
        *((f'neighbours.{names[j]}', lower.coupling[j], upper.coupling[j]) for j in data.coupling),
    ]
    for name, low, high in pairs:
        if (low > high).any():
            raise NetworkError(
                f'agent {read.agent["name"]}: uncertainty.lower.{name} lies above uncertainty.upper.{name}'
            )
    return lower, upper


def _check_parameters(name: str, data: LocalData, structure: MpcStructure) -> None:
    layout = parameter_layout(data, structure)
    try:
        values = layout.unpack(initial_parameters(data, structure))
    except ValueError as error:
        raise NetworkError(f'agent {name}: {error} (learned here: {", ".join(layout.names)})') from None
    for weight, least in (('Q', 0.0), ('R', np.finfo(float).tiny), ('w', 0.0)):
        if weight in values and (values[weight] < least).any():
            raise NetworkError(f'agent {name}: parameter {weight} must {"be positive" if least else "not be negative"}')
    if (data.state_lower + values['x_lb'] > data.state_upper + values['x_ub']).any():
        raise NetworkError(f'agent {name}: parameters x_lb and x_ub make a lower state bound lie above the upper one')


def _check_signs(name: str, data: LocalData) -> None:
    for kind in ('state', 'input'):
        if not (getattr(data, f'{kind}_lower') <= getattr(data, f'{kind}_upper')).all():
            raise NetworkError(f'agent {name}: a lower {kind} bound lies above the upper one')
    if not ((data.input_lower <= data.safe_input) & (data.safe_input <= data.input_upper)).all():
        raise NetworkError(f'agent {name}: safe_input lies outside the input bounds')
    if (data.state_weight < 0).any() or (data.violation_weight < 0).any() or not (data.input_weight > 0).all():
        raise NetworkError(
            f'agent {name}: cost weights of states and violations must not be negative, '
            'those of inputs must be positive'
        )


def _check_noise(read: AgentReader) -> None:
    lower, upper = (read.array(('noise', side), (read.nx,), 0.0) for side in ('lower', 'upper'))
    if (lower > upper).any():
        raise NetworkError(f'agent {read.agent["name"]}: a lower bound of the noise lies above the upper one')


def _graph(local: Sequence[LocalData], names: Sequence[str]) -> CouplingGraph:
    try:
        return CouplingGraph([data.parents for data in local])
    except NetworkError as error:
        legend = ', '.join(f'{i} is {name}' for i, name in enumerate(names))
        raise NetworkError(f'{error} ({legend})') from None


def _stack(agents: Sequence[Mapping[str, Any]], path: tuple[str, ...], nx: Sequence[int]) -> np.ndarray:
    return np.concatenate(
        [AgentReader(agent, (n, 0), {}).array(path, (n,), 0.0) for agent, n in zip(agents, nx, strict=True)]
    )


def _columns(matrix: Any) -> int:
    return len(matrix[0])
