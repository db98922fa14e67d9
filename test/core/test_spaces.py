# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Sets of states and actions."""

import numpy as np
import pytest

from dmpcrl_ros.core.spaces import EMPTY, Box, Finite

BOX = Box(np.array([-1.0, 0.0, -np.inf]), np.array([1.0, 0.5, np.inf]))
INDICES = Finite((3, 1, 4))


def test_sizes_and_bounds():
    assert (BOX.size, INDICES.size, EMPTY.size) == (3, 3, 0)
    assert INDICES.lower.tolist() == [0.0, 0.0, 0.0] and INDICES.upper.tolist() == [2.0, 0.0, 3.0]
    assert INDICES.lower.dtype == INDICES.upper.dtype == np.float64


@pytest.mark.parametrize(
    'value, admitted',
    [
        ([0.0, 0.1, 7.0], True),
        ([5.0, -3.0, 0.0], True),  # measured beyond its bounds
        ([np.nan, 0.0, 0.0], False),
        ([0.0, np.inf, 0.0], False),
        ([0.0, 0.0, -np.inf], False),
    ],
)
def test_a_box_admits_finite_values(value, admitted):
    found = BOX.admits(np.array(value))
    assert found is admitted


@pytest.mark.parametrize(
    'value, admitted',
    [
        ([0.0, 0.0, 0.0], True),
        ([2.0, 0.0, 3.0], True),
        ([1.0, 0.0, 2.0], True),
        ([3.0, 0.0, 0.0], False),
        ([-1.0, 0.0, 0.0], False),
        ([0.5, 0.0, 0.0], False),
        ([0.0, 1.0, 0.0], False),
        ([np.nan, 0.0, 0.0], False),
        ([0.0, 0.0, np.inf], False),
        ([0.0, 0.0, -np.inf], False),
    ],
)
def test_a_finite_set_admits_its_indices_only(value, admitted):
    found = INDICES.admits(np.array(value))
    assert found is admitted


def test_the_nearest_value_of_a_box_by_hand():
    assert BOX.nearest(np.array([-3.0, 0.7, 9.0])).tolist() == [-1.0, 0.5, 9.0]
    assert BOX.nearest(np.array([0.3, 0.2, -1e9])).tolist() == [0.3, 0.2, -1e9]


def test_the_nearest_index_is_the_nearest_of_all_that_are_admitted():
    admitted = np.array([value for value in np.ndindex(3, 1, 4)], dtype=float)
    assert all(INDICES.admits(value) for value in admitted)
    for value in np.random.default_rng(1).uniform(-2.0, 6.0, (200, 3)):
        found = INDICES.nearest(value)
        distances = np.abs(admitted - value).sum(axis=1)
        assert INDICES.admits(found) and np.abs(found - value).sum() == pytest.approx(distances.min(), abs=1e-12)


def test_the_empty_space_has_one_value():
    nothing = np.zeros(0)
    assert EMPTY.admits(nothing) and EMPTY.nearest(nothing).size == 0


def test_finite_sets_of_the_same_counts_are_equal():
    assert Finite((2, 3)) == Finite((2, 3)) != Finite((3, 2))
