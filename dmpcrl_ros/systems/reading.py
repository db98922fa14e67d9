# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Common parts of the descriptions of all kinds of networks: files, schemas, and checks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.learning_defaults import LearningDefaults

# The schemas of all kinds of systems refer to this one for the section `learning` and the rules for names.
_COMMON = 'linear/network.schema.json'


def read_yaml(path: str | Path) -> Any:
    """Content of a file of YAML 1.2, in which 1e-5 is a number and NO is a text.

    Args:
        path: of the file; ~ is the home directory.

    Raises:
        NetworkError: the file cannot be read or is not YAML, or a mapping has a key twice.
    """
    try:
        return YAML(typ='safe', pure=True).load(Path(path).expanduser().read_text(encoding='utf-8'))
    except OSError as error:
        raise NetworkError(f'{path}: {error.strerror}') from None
    except DuplicateKeyError as error:
        what = error.problem.partition(' with value')[0]
        raise NetworkError(f'{path}, line {error.problem_mark.line + 1}: {what}') from None
    except (YAMLError, ValueError) as error:
        raise NetworkError(f'{path} is not YAML: {error}') from None


def check_schema(description: Any, file: str, plural: str, singular: str) -> None:
    """Check that a description follows a schema of this folder.

    Args:
        description: content of the file.
        file: name of the schema.
        plural: word for its agents, the key of their list.
        singular: word for one of them, for the texts of errors.

    Raises:
        NetworkError: it does not; the message names the place and the reason.
    """
    schema, common = _schema(file), _schema(_COMMON)
    if file != _COMMON:
        schema['properties']['learning'] = common['properties']['learning']
        schema['properties'][plural]['items']['properties']['name'] = common['$defs']['agent']['properties']['name']
    for error in sorted(
        Draft202012Validator(schema).iter_errors(description), key=lambda e: len(e.absolute_path), reverse=True
    ):
        reason = error.message
        if error.validator in ('pattern', 'not'):  # the description explains more than the pattern
            reason = f'{error.instance!r} is not allowed ({error.schema["description"]})'
        raise NetworkError(f'{_place(error.absolute_path, description, plural, singular)}: {reason}')


def distinct_names(plural: str, agents: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Names of the agents.

    Raises:
        NetworkError: two are the same.
    """
    names = tuple(agent['name'] for agent in agents)
    if len(set(names)) < len(names):
        raise NetworkError(f'{plural} must have different names, not {", ".join(names)}')
    return names


def finite(section: str, values: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Values of a section, with an integer for a whole number written as a decimal one, which the schema allows.

    Raises:
        NetworkError: a value is not finite.
    """
    whole = {field.name for field in fields(kind) if field.type is int}
    for key, value in values.items():
        if not np.isfinite(value):
            raise NetworkError(f'{section}.{key} is not a finite number')
    return {key: int(value) if key in whole else value for key, value in values.items()}


def learning_defaults(description: Mapping[str, Any]) -> LearningDefaults:
    """Values of the section `learning`.

    Raises:
        NetworkError: its numbers contradict each other.
    """
    found = LearningDefaults(**finite('learning', description.get('learning', {}), LearningDefaults))
    if not found.replay_latest <= found.replay_sample <= found.replay_capacity:
        raise NetworkError(
            'learning: replay_latest, replay_sample and replay_capacity must not decrease in this '
            f'order, but are {found.replay_latest}, {found.replay_sample} and {found.replay_capacity}'
        )
    return found


def parts(sizes: Sequence[int]) -> tuple[slice, ...]:
    """Slices of these sizes, one after the other."""
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False))


def _schema(file: str) -> dict[str, Any]:
    return json.loads(files(__package__).joinpath(file).read_text(encoding='utf-8'))


def _place(path: Sequence[Any], description: Mapping[str, Any], plural: str, singular: str) -> str:
    """Readable place of an error: agents by their names, the rest by keys."""
    keys = list(path)
    if len(keys) > 1 and keys[0] == plural:
        agent = description[plural][keys[1]]
        name = agent.get('name', keys[1]) if isinstance(agent, Mapping) else keys[1]
        return f'{singular} {name}' + (': ' + '.'.join(map(str, keys[2:])) if keys[2:] else '')
    return '.'.join(map(str, keys)) or 'network description'
