# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Bounds, step limit and curvature, by hand."""

import numpy as np
import pytest

from dmpcrl_ros.methods.q_learning.safeguards import Safeguards

WIDE = {'lower': np.full(2, -np.inf), 'upper': np.full(2, np.inf)}


def test_each_transition_has_the_absolute_values_of_its_curvature():
    """delta = 2 and h = [[1, 2], [2, 1]]: -delta h has the eigenvalues -6 along (1, 1) and 2 along (1, -1); with their
    absolute values it is 3 [[1, 1], [1, 1]] + [[1, -1], [-1, 1]]. delta = -1 and h = diag(0, 3): 3 stays."""
    td_errors, hessians = np.array([2.0, -1.0]), np.array([[[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 3.0]]])
    curvature, count = Safeguards(**WIDE, absolute_curvature=True).curvature(td_errors, hessians)
    assert curvature == pytest.approx(np.array([[4.0, 2.0], [2.0, 7.0]])) and count == 1


def test_opposite_curvatures_do_not_cancel():
    """A zero sum of -delta h does not measure the certainty of the model."""
    hessians = np.tile(np.diag([0.0, 5.0]), (2, 1, 1))
    assert Safeguards(**WIDE, absolute_curvature=True).curvature(np.array([1.0, -1.0]), hessians)[0][1, 1] == 10.0


def test_without_curvature_there_is_none():
    curvature, count = Safeguards(**WIDE, absolute_curvature=True).curvature(np.ones(3), np.zeros((3, 2, 2)))
    assert not curvature.any() and count == 0


def test_curvature_is_as_published_when_nothing_else_is_asked_for():
    """-(2 * 1 - 1 * 4) = 2 and -(0 + 3) = -3."""
    hessians = np.array([np.diag([1.0, 0.0]), np.diag([4.0, -3.0])])
    curvature, count = Safeguards(**WIDE).curvature(np.array([2.0, -1.0]), hessians)
    assert curvature.tolist() == [[2.0, 0.0], [0.0, -3.0]] and count == 0


@pytest.mark.parametrize(
    'theta, change, expected',
    [
        ([0.5, 500.0], [0.1, 0.0], 1.0),  # as long as it may be
        ([0.5, 500.0], [-0.3, 0.0], 3.0),  # small parameters are measured against one
        ([0.5, 500.0], [0.0, 50.0], 1.0),  # large ones against themselves
        ([0.5, -500.0], [0.0, 100.0], 2.0),
    ],
)
def test_the_excess_of_a_step(theta, change, expected):
    found = Safeguards(**WIDE, step_limit=0.1).excess(np.array(theta), np.array(change))
    assert found == pytest.approx(expected)


def test_without_a_limit_no_step_is_too_long():
    assert Safeguards(**WIDE).excess(np.zeros(2), np.full(2, 1e12)) == 1.0


def test_theta_is_held_at_its_bounds():
    held, count = Safeguards(lower=np.array([0.0, -1.0]), upper=np.array([1.0, 1.0])).hold(np.array([-0.5, 0.5]))
    assert held.tolist() == [0.0, 0.5] and count == 1


def test_a_matrix_is_kept_symmetric_and_positive_definite():
    """[[1, 4], [2, 1]]: its symmetric part has the eigenvalues 4 along (1, 1) and -2 along (1, -1); the latter becomes
    0.5: [[2, 2], [2, 2]] + 0.25 [[1, -1], [-1, 1]]. What stands around it stays."""
    safeguards = Safeguards(lower=np.full(6, -np.inf), upper=np.full(6, np.inf), definite=((slice(1, 5), 0.5),))
    theta, held = safeguards.hold(np.array([7.0, 1.0, 4.0, 2.0, 1.0, -7.0]))
    assert theta == pytest.approx([7.0, 2.25, 1.75, 1.75, 2.25, -7.0]) and held == 4


def test_a_matrix_that_is_definite_is_left_alone_to_the_last_bit():
    theta = np.array([1.0 / 3, 0.1, 0.1, 1.0 / 7])
    safeguards = Safeguards(lower=np.full(4, -np.inf), upper=np.full(4, np.inf), definite=((slice(0, 4), 0.01),))
    found, held = safeguards.hold(theta)
    assert np.array_equal(found, theta) and held == 0
