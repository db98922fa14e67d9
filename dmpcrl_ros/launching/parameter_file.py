# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parameter files of ROS 2, as far as a launch file has to understand them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dmpcrl_ros.core.settings import SettingError

_ALL_NODES = '/**'


class _Loader(yaml.SafeLoader):
    """Loader that takes the same texts for numbers and truth values as ROS 2 does."""

    bool_values = yaml.SafeLoader.bool_values | {'y': True, 'n': False}


_Loader.add_implicit_resolver('tag:yaml.org,2002:bool', re.compile('[yYnN]$'), list('yYnN'))
_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile('[-+]?[0-9]+[eE][-+]?[0-9]+$'), list('-+0123456789')
)


def shared_parameters(path: str) -> dict[str, Any]:
    """Parameters that a file has for all nodes, by their names with dots; none without a file.

    Args:
        path: of the file; empty for none.

    Raises:
        SettingError: the file cannot be read, or it is no file of parameters.
    """
    if not path:
        return {}
    try:
        content = yaml.load(Path(path).read_text(encoding='utf-8'), _Loader)  # noqa: S506: a SafeLoader
        return dict(_flat((content.get(_ALL_NODES) or {}).get('ros__parameters') or {}))
    except OSError as error:
        raise SettingError(f'params_file {path} cannot be read: {error.strerror}') from None
    except (AttributeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingError(f'params_file {path} is no YAML file of ROS 2 parameters: {error}') from None


def _flat(parameters: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{prefix}{name}.')
        else:
            yield prefix + name, value
