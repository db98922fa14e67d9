"""Bounds, step limit and curvature, by hand."""
import numpy as np
import pytest

from dmpcrl_ros.learning.safeguards import Safeguards

WIDE = {'lower': np.full(2, -np.inf), 'upper': np.full(2, np.inf)}


def test_negative_curvature_is_taken_out_and_the_rest_stays():
    """[[1, 2], [2, 1]] has the eigenvalues 3 along (1, 1) and -1 along (1, -1): 3/2 [[1, 1], [1, 1]] is left."""
    curvature, count = Safeguards(**WIDE, flatten=True).flattened(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert curvature == pytest.approx(np.full((2, 2), 1.5)) and count == 1


@pytest.mark.parametrize('curvature', [np.diag([0.0, 2.0]), np.zeros((2, 2)), np.array([[1.0, 1.0], [1.0, 1.0]])])
def test_semidefinite_curvature_is_left_as_it_is(curvature):
    found, count = Safeguards(**WIDE, flatten=True).flattened(curvature)
    assert np.array_equal(found, curvature) and count == 0


def test_curvature_is_flattened_only_when_asked_for():
    found, count = Safeguards(**WIDE).flattened(np.diag([-1.0, 2.0]))
    assert np.array_equal(found, np.diag([-1.0, 2.0])) and count == 0


@pytest.mark.parametrize('theta, change, expected', [
    ([0.5, 500.0], [0.1, 0.0], 1.0),       # as long as it may be
    ([0.5, 500.0], [-0.3, 0.0], 3.0),      # small parameters are measured against one
    ([0.5, 500.0], [0.0, 50.0], 1.0),      # large ones against themselves
    ([0.5, -500.0], [0.0, 100.0], 2.0),
])
def test_the_excess_of_a_step(theta, change, expected):
    found = Safeguards(**WIDE, step_limit=0.1).excess(np.array(theta), np.array(change))
    assert found == pytest.approx(expected)


def test_without_a_limit_no_step_is_too_long():
    assert Safeguards(**WIDE).excess(np.zeros(2), np.full(2, 1e12)) == 1.0


def test_theta_is_held_at_its_bounds():
    held, count = Safeguards(lower=np.array([0.0, -1.0]), upper=np.array([1.0, 1.0])).hold(np.array([-0.5, 0.5]))
    assert held.tolist() == [0.0, 0.5] and count == 1
