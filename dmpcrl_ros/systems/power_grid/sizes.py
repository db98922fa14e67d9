# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Sizes of the variables and parameters of an area, by which learning does not depend on its units."""

import numpy as np

from dmpcrl_ros.systems.power_grid.area import DISTURBANCE_SCALE, AreaData, area_layout

# Of the sizes of the parameters, relative to those of the bounds: with larger ones the four areas learn to send less
# power ahead, and an episode costs 6 % more (seed 1).
_CAUTION = 0.3


def area_sizes(data: AreaData, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of the states (4,) and of the input (1,): the bounds of the angle and of the input.

    Args:
        data: of the area.
        time: duration of a control step [s], in which the frequency moves the angle by its bound.
    """
    power = data.input_bound
    return np.array([data.angle_bound, data.angle_bound / time, power, power]), np.array([power])


def operating_sizes(data: AreaData, time: float, load: float) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of the states (4,) and of the input (1,) in normal operation.

    The power follows the load. The angle is that at which the lines of the area carry the load. Both stay within their
    bounds.

    Args:
        data: of the area.
        time: duration of a control step [s].
        load: largest one of the area; zero if it is not known.
    """
    power = min(load, data.input_bound) or data.input_bound
    lines = sum(data.estimates.values())
    angle = min(power / lines, data.angle_bound) if lines > 0.0 else data.angle_bound
    return np.array([angle, angle / time, power, power]), np.array([power])


def area_parameter_sizes(data: AreaData, time: float, cost: float) -> np.ndarray:
    """Sizes (p,) of theta_i.

    Args:
        data: of the area.
        time: duration of a control step [s].
        cost: size of a stage cost.
    """
    states, inputs = area_sizes(data, time)
    coefficient = inputs / data.angle_bound
    sizes = {
        'phi_lb': np.array([data.angle_bound]),
        'phi_ub': np.array([data.angle_bound]),
        'b': states / DISTURBANCE_SCALE,
        'f': cost / np.concatenate([states, inputs]),
        'Q_x': np.sqrt(np.outer(data.state_weight, data.state_weight)),
        'Q_u': np.array([data.input_weight]),
        **{f'P_{j}': coefficient for j in data.neighbours},
    }
    sizes = {name: _CAUTION * size for name, size in sizes.items()}
    return area_layout(data).pack({'V0': np.array([cost]), **sizes})
