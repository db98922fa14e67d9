# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The quadratic programme with soft bounds, on problems solved by hand."""

import numpy as np
import pytest

from dmpcrl_ros.mpc.programme import QpData
from dmpcrl_ros.mpc.qp import SoftBoundedQp
from dmpcrl_ros.mpc.solver import QpFailure

INF = np.inf
NONE = np.array([], dtype=int)


def programme(
    hessian,
    linear,
    *,
    equality=None,
    value=(),
    lower=None,
    upper=None,
    soft=(),
    soft_lower=(),
    soft_upper=(),
    penalty=(),
):
    n = len(linear)
    return QpData(
        hessian=np.array(hessian, dtype=float),
        linear=np.array(linear, dtype=float),
        constant=0.0,
        equality=np.zeros((0, n)) if equality is None else np.array(equality, dtype=float),
        equality_value=np.array(value, dtype=float),
        lower=np.full(n, -INF) if lower is None else np.array(lower, dtype=float),
        upper=np.full(n, INF) if upper is None else np.array(upper, dtype=float),
        soft=np.array(soft, dtype=int),
        soft_lower=np.array(soft_lower, dtype=float),
        soft_upper=np.array(soft_upper, dtype=float),
        penalty=np.array(penalty, dtype=float),
    )


def solve(data, fixed=NONE, values=(), curvature=0.0):
    qp = SoftBoundedQp(data, np.array(fixed, dtype=int), np.full(len(data.linear), curvature))
    qp.fix(np.array(values, dtype=float), data.equality_value)
    qp.solve(data.linear)
    return qp.solution()


@pytest.mark.parametrize(
    'penalty, v, slack, dual',
    [
        (3.0, 1.0, 0.0, 1.0),  # the bound holds: v = 1, and 1/2 (v - 2)^2 has the slope -1 there
        (0.5, 1.5, 0.5, 0.5),  # the penalty is too weak: v - 2 + 0.5 = 0
    ],
)
@pytest.mark.parametrize('side', [1, -1])
def test_one_soft_bound(penalty, v, slack, dual, side):
    """minimise 1/2 (v - 2)^2 + penalty sigma, v <= 1 + sigma; and its mirror image at the lower bound."""
    bounds = {'soft_lower': [-INF], 'soft_upper': [1.0]} if side > 0 else {'soft_lower': [-1.0], 'soft_upper': [INF]}
    found = solve(programme([[1.0]], [-2.0 * side], soft=[0], penalty=[penalty], **bounds))
    assert found.primal == pytest.approx([side * v], abs=1e-6)
    assert found.slack == pytest.approx([slack], abs=1e-6)
    at_bound, elsewhere = (
        (found.dual_soft_upper, found.dual_soft_lower) if side > 0 else (found.dual_soft_lower, found.dual_soft_upper)
    )
    assert at_bound == pytest.approx([dual], abs=1e-6) and elsewhere == pytest.approx([0.0], abs=1e-12)


def test_a_soft_bound_that_does_not_matter_has_no_multiplier():
    found = solve(programme([[1.0]], [-2.0], soft=[0], soft_lower=[0.0], soft_upper=[5.0], penalty=[1.0]))
    assert found.primal == pytest.approx([2.0])
    assert not found.dual_soft_lower.any() and not found.dual_soft_upper.any() and not found.slack.any()


def test_multipliers_of_equalities_and_hard_bounds():
    """minimise 1/2 |v|^2 s.t. v1 + v2 = 4, v1 <= 1: v = (1, 3); v2 + lambda = 0, v1 + lambda + mu = 0."""
    found = solve(programme(np.eye(2), [0.0, 0.0], equality=[[1.0, 1.0]], value=[4.0], upper=[1.0, INF]))
    assert found.primal == pytest.approx([1.0, 3.0])
    assert found.dual_equality == pytest.approx([-3.0])
    assert found.dual_hard == pytest.approx([2.0, 0.0])


def test_curvature_adds_to_the_hessian():
    """minimise 1/2 v^2 + 3 / 2 v^2 - 8 v."""
    assert solve(programme([[1.0]], [-8.0]), curvature=3.0).primal == pytest.approx([2.0])


def test_a_hessian_that_is_definite_only_on_the_equalities_will_do():
    """minimise 1/2 v1^2 s.t. v1 - v2 = 3 and v2 >= 0: v = (3, 0); -lambda - mu = 0 with v1 + lambda = 0."""
    found = solve(
        programme([[1.0, 0.0], [0.0, 0.0]], [0.0, 0.0], equality=[[1.0, -1.0]], value=[3.0], lower=[-INF, 0.0])
    )
    assert found.primal == pytest.approx([3.0, 0.0], abs=1e-9)
    assert found.dual_equality == pytest.approx([-3.0]) and found.dual_hard == pytest.approx([0.0, -3.0])


@pytest.mark.parametrize(
    'held, slack, lower, upper', [(0.4, 0.0, 0.0, 0.0), (1.3, 0.3, 0.0, 2.0), (-0.2, 0.2, 2.0, 0.0)]
)
def test_a_held_variable_outside_its_soft_bounds_costs_the_penalty(held, slack, lower, upper):
    """minimise 1/2 |v|^2 s.t. v1 + v2 = 1, v1 held, 0 - sigma <= v1 <= 1 + sigma at 2 sigma: v2 = 1 - v1 = -lambda."""
    data = programme(
        np.eye(2),
        [0.0, 0.0],
        equality=[[1.0, 1.0]],
        value=[1.0],
        soft=[0],
        soft_lower=[0.0],
        soft_upper=[1.0],
        penalty=[2.0],
    )
    found = solve(data, [0], [held])
    assert found.primal == pytest.approx([held, 1.0 - held])
    assert found.dual_equality == pytest.approx([held - 1.0])
    assert found.slack == pytest.approx([slack])
    assert (found.dual_soft_lower.item(), found.dual_soft_upper.item()) == pytest.approx((lower, upper))


def test_another_linear_term_and_other_held_values_are_taken_into_account():
    """minimise 1/2 |v|^2 + q v2 s.t. v1 + v2 + v3 = 0, v1 held: v2 = -lambda - q, v3 = -lambda, so that
    lambda = (v1 - q) / 2."""
    qp = SoftBoundedQp(
        programme(np.eye(3), np.zeros(3), equality=[[1.0, 1.0, 1.0]], value=[0.0]), np.array([0]), np.zeros(3)
    )
    for held, q in ((1.0, 0.0), (1.0, 3.0), (-2.0, 3.0), (0.5, -1.0)):
        qp.fix(np.array([held]), np.zeros(1))
        qp.solve(np.array([0.0, q, 0.0]))
        multiplier = (held - q) / 2
        assert qp.solution().primal == pytest.approx([held, -multiplier - q, -multiplier])


def test_a_programme_without_solution_says_so():
    data = programme([[1.0]], [0.0], equality=[[1.0]], value=[2.0], upper=[1.0])
    with pytest.raises(QpFailure, match='infeasible'):
        solve(data)


@pytest.mark.parametrize(
    'change, message', [({'soft_lower': [2.0]}, 'lower state bound lies above'), ({'penalty': [-1.0]}, 'negative')]
)
def test_a_programme_that_is_not_convex_is_refused(change, message):
    arguments = {'soft': [0], 'soft_lower': [0.0], 'soft_upper': [1.0], 'penalty': [1.0]} | change
    with pytest.raises(QpFailure, match=message):
        solve(programme([[1.0]], [0.0], **arguments))


def test_an_indefinite_hessian_is_refused():
    with pytest.raises(QpFailure):
        solve(programme([[1.0, 0.0], [0.0, -1.0]], [0.0, 1.0], lower=[-1.0, -1.0], upper=[1.0, 1.0]))


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_held_value_that_is_not_finite_is_refused(value):
    with pytest.raises(QpFailure, match='not finite'):
        solve(programme(np.eye(2), [0.0, 0.0], equality=[[1.0, 1.0]], value=[1.0]), [0], [value])
