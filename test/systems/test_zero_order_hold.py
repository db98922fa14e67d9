# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The discretised model of an area and its derivatives, against integration and finite differences."""

import numpy as np
import pytest
from grid_reference import FIRST, TRUE, area_model

from dmpcrl_ros.mpc.parameter_map import StackedMap
from dmpcrl_ros.systems.power_grid.coefficient_map import CoefficientMap
from dmpcrl_ros.systems.power_grid.four_areas import power_grid
from dmpcrl_ros.systems.zero_order_hold import ZeroOrderHold

GRID = power_grid()


def coefficient_map(i):
    return CoefficientMap(GRID.local[i].held(1.0), 29)


def theta_of(i, coefficients):
    return np.r_[np.arange(29.0), [coefficients[i, j] for j in GRID.graph.parents[i]]]


def test_a_scalar_by_hand():
    """dx/dt = (-1 + s) x + 2 w over T = 0.5 at s = 0.4, r = -0.6: e = exp(-0.3), input 2 (e - 1) / r; derivatives in s:
    T e and T^2 e of the first; of the second 2 (T e / r - (e - 1) / r^2)."""
    held = ZeroOrderHold(np.array([[-1.0]]), np.eye(1), np.array([[2.0]]), 0.5)
    e, r = np.exp(-0.3), -0.6
    assert held.at(0.4) == pytest.approx(np.array([[e, 2 * (e - 1) / r]]), rel=1e-14)
    first, second = held.derivatives(0.4)
    assert first == pytest.approx(np.array([[0.5 * e, 2 * (0.5 * e / r - (e - 1) / r**2)]]), rel=1e-13)
    expected = 2 * (0.25 * e / r - 2 * 0.5 * e / r**2 + 2 * (e - 1) / r**3)
    assert second == pytest.approx(np.array([[0.25 * e, expected]]), rel=1e-12)


@pytest.mark.parametrize('coefficients', [TRUE, FIRST], ids=['true', 'first'])
@pytest.mark.parametrize('i', range(4))
def test_the_matrices_are_those_of_a_fine_integration(i, coefficients):
    own = {j: coefficients[i, j] for j in GRID.graph.parents[i]}
    a, b, load, coupling = area_model(i, own)
    phi = coefficient_map(i).at(theta_of(i, coefficients)).value
    assert np.array_equal(phi[:29], np.arange(29.0))
    expected = np.concatenate([a.ravel(), b, load, *(coupling[j] for j in sorted(coupling))])
    assert np.abs(phi[29:] - expected).max() < 1e-9


@pytest.mark.parametrize('i', range(4))
def test_first_derivatives_against_finite_differences(i):
    held, theta = coefficient_map(i), theta_of(i, FIRST)
    found, step = held.at(theta).jacobian, 1e-4
    assert found.shape == (len(held.at(theta).value), len(theta))
    for k in range(len(theta)):
        ends = [held.at(theta + s * step * np.eye(len(theta))[k]).value for s in (-2, -1, 1, 2)]
        expected = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * step)
        assert found[:, k] == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize('i', range(4))
def test_second_derivatives_against_finite_differences(i):
    held, theta = coefficient_map(i), theta_of(i, FIRST)
    weights = np.random.default_rng(i).standard_normal(len(held.at(theta).value))
    found, step = held.at(theta).curvature(weights), 1e-4
    assert np.array_equal(found, found.T) and np.abs(found[29:, 29:]).min() > 1e-4
    for k in range(len(theta)):
        ends = [weights @ held.at(theta + s * step * np.eye(len(theta))[k]).jacobian for s in (-2, -1, 1, 2)]
        expected = (8 * (ends[2] - ends[1]) - (ends[3] - ends[0])) / (12 * step)
        assert found[:, k] == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_maps_side_by_side():
    sizes = [29 + len(parents) for parents in GRID.graph.parents]
    thetas = [theta_of(i, FIRST) for i in range(4)]
    alone = [coefficient_map(i).at(theta) for i, theta in enumerate(thetas)]
    together = StackedMap([coefficient_map(i) for i in range(4)], sizes).at(np.concatenate(thetas))
    assert np.array_equal(together.value, np.concatenate([each.value for each in alone]))
    row, column, weights = 0, 0, np.random.default_rng(1).standard_normal(len(together.value))
    curvature, jacobian = together.curvature(weights), together.jacobian
    for each in alone:
        m, p = each.jacobian.shape
        assert np.array_equal(jacobian[row : row + m, column : column + p], each.jacobian)
        assert np.array_equal(
            curvature[column : column + p, column : column + p], each.curvature(weights[row : row + m])
        )
        row, column = row + m, column + p
    assert np.count_nonzero(jacobian) == sum(np.count_nonzero(each.jacobian) for each in alone)


@pytest.mark.parametrize('coefficient', [1e306, np.inf, -1e9])
def test_a_model_that_is_no_number_is_refused(coefficient):
    theta = theta_of(0, FIRST)
    theta[-1] = coefficient
    with pytest.raises(ArithmeticError, match='not finite'):
        coefficient_map(0).at(theta).jacobian  # noqa: B018
