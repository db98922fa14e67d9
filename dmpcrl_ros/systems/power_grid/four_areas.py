# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The four areas of paper 001, section 6.2 (a benchmark of the Hycon2 project), as an instance of a grid description.

The constants are those of the released program, which produces the published curves. Comments mark those that differ in
the paper.
"""

from typing import Any

from dmpcrl_ros.core.settings import NoSettings
from dmpcrl_ros.systems.power_grid.description import grid_from_description
from dmpcrl_ros.systems.power_grid.grid import PowerGrid

_AREAS = {  # H, R, D, T_t, T_g, bound of the input
    'area_1': (12.0, 0.05, 0.7, 0.65, 0.1, 0.2),
    'area_2': (10.0, 0.0625, 0.9, 0.4, 0.1, 0.1),
    'area_3': (8.0, 0.08, 0.9, 0.3, 0.1, 0.3),
    'area_4': (8.0, 0.08, 0.7, 0.6, 0.1, 0.1),
}
_CONSTANTS = ('inertia', 'regulation', 'damping', 'turbine_time', 'governor_time', 'input_bound')


def description() -> dict[str, Any]:
    """Description of the four areas as a YAML grid, a template for other grids."""
    return {
        'name': 'power_grid',
        'episode_length': 100,
        'mpc': {
            'horizon': 5,
            'discount': 0.9,
            'sampling_time': 1.0,
            'terminal_cost': False,
            'state': [500.0, 0.1, 0.1, 10.0],
            'input': 10.0,
        },
        'cost': {
            'state': [500.0, 0.01, 0.01, 10.0],
            'input': 10.0,
            'violation': 500.0,  # the paper prints 50^2
            'tie_line': 0.5,
        },
        'learning': {
            'rho': 50.0,
            'admm_iterations': 50,
            'learning_rate': 7e-7,
            'learning_rate_decay': 0.98,
            'update_every': 100,
            'replay_capacity': 300,
            'replay_sample': 150,
            'replay_latest': 100,
            'exploration_probability': 0.5,
            'exploration_decay': 0.8,
            'exploration_strength': 0.04,
        },
        'areas': [
            {'name': name, **dict(zip(_CONSTANTS, constants, strict=True)), 'angle_bound': 0.1, 'load_noise': 0.1}
            for name, constants in _AREAS.items()
        ],
        # First estimates of both ends: the truth and a number from [-2, 2], as the release draws them with seed 1.
        'lines': [
            {'areas': ['area_1', 'area_2'], 'coefficient': 4.0, 'estimates': [4.767508, 3.262063]},
            {'areas': ['area_2', 'area_3'], 'coefficient': 2.0, 'estimates': [2.746004, 3.338503]},
            {'areas': ['area_3', 'area_4'], 'coefficient': 2.0, 'estimates': [0.073153, 3.000577]},
        ],
        # The paper's steps 5, 15, 20, 40 count from 1 and refer to the plant; controllers see a load one step later.
        'loads': [
            {'step': 4, 'values': {'area_1': 0.15}},
            {'step': 14, 'values': {'area_2': -0.15}},
            {'step': 19, 'values': {'area_3': 0.12}},
            {'step': 39, 'values': {'area_3': -0.12, 'area_4': 0.28}},
        ],
    }


def power_grid() -> PowerGrid:
    """Network of the four areas (see `description`)."""
    return grid_from_description(description())


class FourAreas:
    """Source of the four areas."""

    name = 'power_grid'
    title = 'four areas of paper 001 (mallick2024)'
    settings = NoSettings

    def make(self, settings: NoSettings) -> PowerGrid:
        """Network of the four areas."""
        return power_grid()


FOUR_AREAS = FourAreas()
