# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Systems of all kinds from YAML files."""

from collections.abc import Mapping
from pathlib import Path

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.linear.description import from_description
from dmpcrl_ros.systems.mpc_system import MpcSystem
from dmpcrl_ros.systems.power_grid.description import grid_from_description
from dmpcrl_ros.systems.reading import read_yaml


def load_system(path: str | Path) -> MpcSystem:
    """Read a power network (a file with `areas`) or a network of linear systems (one with `agents`).

    Raises:
        NetworkError: the file cannot be read, is not YAML, or contradicts itself; the message names the place.
    """
    description = read_yaml(path)
    is_grid = isinstance(description, Mapping) and not {'areas', 'lines'}.isdisjoint(description)
    try:
        return (grid_from_description if is_grid else from_description)(description)
    except NetworkError as error:
        raise NetworkError(f'{path}: {error}') from None
