# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parameter files of ROS 2, as far as a launch file has to understand them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dmpcrl_ros.core.settings import SettingError

_ALL_NODES = '/**'


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
        content = yaml.safe_load(Path(path).read_text(encoding='utf-8'))
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
