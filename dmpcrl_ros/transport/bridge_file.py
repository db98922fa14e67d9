# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Mapping of a bridge from its YAML file, checked against its network."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from std_msgs.msg import Float64MultiArray

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.mpc_system import MpcSystem
from dmpcrl_ros.systems.reading import read_yaml
from dmpcrl_ros.transport.bridge_messages import MESSAGES, reader, type_name
from dmpcrl_ros.transport.bridging import Mapping, Target
from dmpcrl_ros.transport.measurements import Source, StateElement, Topic

Resolve = Callable[[str], str]  # of a node: maps the declared name of a topic to that in the ROS graph
_SHORT_TYPE = re.compile(r'^(\w+)/(\w+)$')  # package/Type, as in ROS 1


class MappingError(ValueError):
    """A mapping is wrong; the message names the file, the agent and the element."""


def load_mapping(path: str | Path, network: MpcSystem, resolve: Resolve) -> Mapping:
    """Read the mapping of the agents of a network.

    Args:
        path: of the YAML file.
        network: that the agents control.
        resolve: name resolution of the node that makes the topics.

    Raises:
        MappingError: the file cannot be read, does not follow bridging.schema.json, or does not map every element of
            every state and input of the network exactly once.
    """
    try:
        declared = read_yaml(path)
    except NetworkError as error:
        raise MappingError(str(error)) from None
    try:
        return _mapping(declared, network, resolve)
    except MappingError as error:
        raise MappingError(f'{path}: {error}') from None


def _mapping(declared: Any, network: MpcSystem, resolve: Resolve) -> Mapping:
    _check_schema(declared)
    named = [agent['name'] for agent in declared['agents']]
    if sorted(named) != sorted(network.names):
        raise MappingError(f'maps the agents {", ".join(named)}; {network.name} has {", ".join(network.names)}')
    agents = {agent['name']: agent for agent in declared['agents']}
    states, inputs = [], []
    for name, data in zip(network.names, network.local, strict=True):
        states.append([_state(*each, resolve) for each in _elements(agents[name], 'state', data.n_states)])
        inputs.append([_target(*each, resolve) for each in _elements(agents[name], 'input', data.n_inputs)])
    _check_topics(
        [each.source for agent in states for element in agent for each in element.measurements],
        [target for agent in inputs for target in agent],
    )
    return Mapping(states, inputs)


def _elements(agent: dict[str, Any], part: str, size: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and declaration of each element of a state or input, in their order."""
    declared = {each['element']: each for each in agent[part]}
    counts = Counter(each['element'] for each in agent[part])
    for element in sorted({*range(size), *counts}):
        if element >= size:
            raise MappingError(f'agent {agent["name"]}: {part} {element} is mapped, but there are only {size}')
        if counts[element] != 1:
            raise MappingError(f'agent {agent["name"]}: {part} {element} is mapped {counts[element]} times')
    return ((f'agent {agent["name"]}: {part} {element}', declared[element]) for element in range(size))


def _state(name: str, declared: dict[str, Any], resolve: Resolve) -> StateElement:
    sources = [_source(name, declared, 1, resolve)]
    if 'minus' in declared:
        sources.append(_source(f'{name}: minus', declared['minus'], -1, resolve))
    return StateElement(sources, declared.get('wrap', False))


def _source(name: str, declared: dict[str, Any], sign: int, resolve: Resolve) -> Source:
    kind = _kind(declared)
    gain, offset = _conversion(name, declared)
    return Source(
        name=name,
        topic=_topic(declared, resolve),
        kind=kind,
        read=reader(kind, declared),
        gain=sign * gain,
        offset=sign * offset,
    )


def _target(name: str, declared: dict[str, Any], resolve: Resolve) -> Target:
    kind = _kind(declared)
    gain, offset = _conversion(name, declared)
    low, high = (_finite(name, 'saturation', value) for value in declared['saturation'])
    safe, rate_limit = _finite(name, 'safe', declared['safe']), float(declared.get('rate_limit', math.inf))
    if not low <= safe <= high:
        raise MappingError(f'{name}: safe must lie within the saturation, from {low:g} to {high:g}, but is {safe:g}')
    if math.isnan(rate_limit):
        raise MappingError(f'{name}: rate_limit is not a number')
    return Target(
        name=name,
        topic=_topic(declared, resolve),
        kind=kind,
        place=int(declared['index']) if kind is Float64MultiArray else tuple(declared['field'].split('.')),
        frame=declared.get('frame', ''),
        gain=gain,
        offset=offset,
        low=low,
        high=high,
        rate_limit=rate_limit,
        safe=safe,
    )


def _kind(declared: dict[str, Any]) -> type:
    return MESSAGES[_SHORT_TYPE.sub(r'\1/msg/\2', declared['type'])]


def _topic(declared: dict[str, Any], resolve: Resolve) -> Topic:
    return Topic(declared['topic'], resolve(declared['topic']))


def _conversion(name: str, declared: dict[str, Any]) -> tuple[float, float]:
    """Gain and offset."""
    return (
        declared.get('sign', 1) * _finite(name, 'scale', declared.get('scale', 1.0)),
        _finite(name, 'offset', declared.get('offset', 0.0)),
    )


def _finite(name: str, key: str, value: float) -> float:
    if not math.isfinite(value):
        raise MappingError(f'{name}: {key} is not a finite number')
    return float(value)


def _check_topics(sources: list[Source], targets: list[Target]) -> None:
    """Refuse inconsistent topics.

    Each topic has one type and is either measured or commanded. Each command has one frame, and one input for each
    place.
    """
    kinds: dict[Topic, type] = {}
    mapped: list[Source | Target] = [*sources, *targets]
    for each in mapped:
        kind = kinds.setdefault(each.topic, each.kind)
        if kind is not each.kind:
            raise MappingError(f'{each.name}: {each.topic} has another type elsewhere, {type_name(kind)}')
    heard = {source.topic for source in sources}
    frames: dict[Topic, str] = {}
    taken: dict[tuple[Topic, Any], str] = {}
    for target in targets:
        place = target.topic, target.place
        if target.topic in heard:
            raise MappingError(f'{target.name}: {target.topic} measures a state and cannot be commanded')
        if frames.setdefault(target.topic, target.frame) != target.frame:
            raise MappingError(f'{target.name}: {target.topic} has another frame elsewhere, {frames[target.topic]}')
        if place in taken:
            raise MappingError(f'{target.name}: its place in {target.topic} is taken by {taken[place]}')
        taken[place] = target.name
    for target in targets:
        size = sum(each.topic == target.topic for each in targets)
        if target.kind is Float64MultiArray and isinstance(target.place, int) and target.place >= size:
            raise MappingError(
                f'{target.name}: index {target.place} of {target.topic}, of which only {size} '
                f'{"is" if size == 1 else "are"} commanded'
            )


def _check_schema(declared: Any) -> None:
    schema = json.loads(files(__package__).joinpath('bridging.schema.json').read_text(encoding='utf-8'))
    errors = Draft202012Validator(schema).iter_errors(declared)
    # the deepest error is the most precise; a missing key explains a superfluous one, not the other way round
    for error in sorted(errors, key=lambda e: (-len(e.absolute_path), e.validator == 'unevaluatedProperties')):
        # the description is clearer than a pattern
        reason = (
            f'{error.instance!r} is not a {error.schema["description"]}'
            if error.validator == 'pattern'
            else error.message
        )
        raise MappingError(f'{_place(list(error.absolute_path), declared)}: {reason}')


def _place(keys: list[Any], declared: Any) -> str:
    """Readable place of an error: agents by their names, elements of states and inputs by their numbers."""
    if len(keys) < 2:
        return '.'.join(keys) or 'mapping'
    agent, rest = declared['agents'][keys[1]], keys[2:]
    words = [f'agent {_label(agent, "name", keys[1])}']
    if len(rest) > 1:
        words.append(f'{rest[0]} {_label(agent[rest[0]][rest[1]], "element", rest[1])}')
        rest = rest[2:]
    return ': '.join([*words, *(['.'.join(map(str, rest))] if rest else [])])


def _label(item: Any, key: str, position: int) -> Any:
    return item.get(key, position) if isinstance(item, dict) else position
