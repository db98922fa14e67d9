# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Few variables, many soft rows: against the same programme with explicit slack variables."""

import casadi as ca
import numpy as np
import pytest

from dmpcrl_ros.mpc.active_set import ActiveSet
from dmpcrl_ros.mpc.soft_rows import SoftRowsQp
from dmpcrl_ros.mpc.solver import QpFailure


def programme(seed, n=4, r=40):
    draw = np.random.default_rng(seed)
    factor = draw.standard_normal((n, n))
    middle = draw.normal(0.0, 0.5, r)
    return {
        'hessian': factor @ factor.T + 0.1 * np.eye(n),
        'rows': draw.standard_normal((r, n)),
        'penalty': draw.uniform(0.0, 2.0, r),
        'linear': draw.normal(0.0, 3.0, n),
        'row_lower': np.where(draw.random(r) < 0.2, -np.inf, middle - 0.3),
        'row_upper': middle + 0.3,
    }


def with_slack(p, lower, upper):
    (r, n), inf = p['rows'].shape, np.inf
    eye = np.eye(r)
    A = np.block([[p['rows'], -eye], [p['rows'], eye]])
    solver = ca.conic(
        'slack',
        'qpoases',
        {'h': ca.Sparsity.dense(n + r, n + r), 'a': ca.Sparsity.dense(*A.shape)},
        {'printLevel': 'none'},
    )
    H = np.zeros((n + r, n + r))
    H[:n, :n] = p['hessian']
    found = solver(
        h=H,
        g=np.r_[p['linear'], p['penalty']],
        a=A,
        lba=np.r_[np.full(r, -inf), p['row_lower']],
        uba=np.r_[p['row_upper'], np.full(r, inf)],
        lbx=np.r_[lower, np.zeros(r)],
        ubx=np.r_[upper, np.full(r, inf)],
    )
    return np.asarray(found['x']).ravel()[:n]


def solved(p, lower, upper):
    qp = SoftRowsQp(p['hessian'], p['rows'], p['penalty'])
    found = qp.solve(p['linear'], lower, upper, p['row_lower'], p['row_upper'])
    return found.primal, found.kkt_residual


@pytest.mark.parametrize('seed', range(20))
def test_the_minimiser_is_that_with_explicit_slack(seed):
    p, bound = programme(seed), np.full(4, 0.8)
    u, residual = solved(p, -bound, bound)
    assert u == pytest.approx(with_slack(p, -bound, bound), abs=1e-5)
    assert residual < 1e-8


def test_a_variable_can_be_held():
    p, upper = programme(3), np.full(4, 0.8)
    lower = np.array([-0.8, 0.25, -0.8, -0.8])
    upper[1] = 0.25
    u, _ = solved(p, lower, upper)
    assert u[1] == pytest.approx(0.25, abs=1e-12)
    assert u == pytest.approx(with_slack(p, lower, upper), abs=1e-5)


@pytest.mark.parametrize('what', ['linear', 'row_upper'])
def test_what_is_no_number_is_refused(what):
    p = programme(1)
    p[what] = p[what].copy()
    p[what][0] = np.nan
    with pytest.raises(QpFailure, match='not finite'):
        solved(p, -np.ones(4), np.ones(4))


def test_bounds_that_cross_are_a_failure_of_the_programme():
    with pytest.raises(QpFailure, match='infeasible'):
        solved(programme(1), np.ones(4), -np.ones(4))


@pytest.mark.parametrize('seed', range(10))
def test_the_active_set_of_the_last_call_is_only_a_guess(seed, monkeypatch):
    """A solver that goes on finds what a new one finds, whether the guess is right or wrong."""
    p, draw, bound = programme(seed), np.random.default_rng(seed), np.full(4, 0.8)
    kept, searches = SoftRowsQp(p['hessian'], p['rows'], p['penalty']), []
    search = kept._search
    monkeypatch.setattr(kept, '_search', lambda *given: searches.append(given) or search(*given))
    for size in [0.0, 1e-6, 1e-6, 3.0, 3.0, 1e-6]:
        p['linear'] = p['linear'] + size * draw.standard_normal(4)
        at = kept.solve(p['linear'], -bound, bound, p['row_lower'], p['row_upper'])
        afresh = SoftRowsQp(p['hessian'], p['rows'], p['penalty'])
        new = afresh.solve(p['linear'], -bound, bound, p['row_lower'], p['row_upper'])
        assert at.primal == pytest.approx(new.primal, abs=1e-10)
        assert at.dual_rows == pytest.approx(new.dual_rows, abs=1e-9)
        assert at.dual_bounds == pytest.approx(new.dual_bounds, abs=1e-9)
        assert at.kkt_residual < 1e-8
        assert all(np.array_equal(a, b) for a, b in zip(at.active, new.active, strict=True))
    assert 2 <= len(searches) <= 3  # the first one, and after the large moves


def test_a_guess_may_hold_bounds_that_are_not_active():
    p, bound = programme(2), np.full(4, 0.8)
    wrong = ActiveSet(np.ones(4), np.zeros(40), -np.ones(40))
    guessed = SoftRowsQp(p['hessian'], p['rows'], p['penalty'], wrong)
    found = guessed.solve(p['linear'], -bound, bound, p['row_lower'], p['row_upper'])
    assert found.primal == pytest.approx(with_slack(p, -bound, bound), abs=1e-5)
    assert found.active.held.sum() < 4 and found.kkt_residual < 1e-10


@pytest.mark.parametrize('units', [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize('seed', range(5))
def test_the_minimiser_does_not_depend_on_the_units_of_a_variable(seed, units):
    p, scale = programme(seed), np.array([units, 1.0, 1.0, 1.0])
    lower, upper = np.full(4, -0.4), np.full(4, 0.4)
    other = p | {
        'hessian': p['hessian'] / np.outer(scale, scale),
        'rows': p['rows'] / scale,
        'linear': p['linear'] / scale,
    }
    found, residual = solved(other, scale * lower, scale * upper)
    assert found / scale == pytest.approx(solved(p, lower, upper)[0], abs=1e-9)
    assert residual < 1e-9 * (1.0 + np.abs(p['linear']).max())
