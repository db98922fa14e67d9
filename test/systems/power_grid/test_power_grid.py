# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The four areas: constants written down by hand, the plant against integration, loads and costs by hand."""

import dataclasses

import numpy as np
import pytest
from grid_reference import FIRST, T_G, T_T, TRUE, U_MAX, D, H, R, grid_step

from dmpcrl_ros.systems.power_grid.four_areas import power_grid

GRID = power_grid()
QUIET = dataclasses.replace(GRID, load_noise=np.zeros(4))
NOTHING = [np.zeros(1)] * 4


def test_the_constants_are_the_published_ones():
    assert GRID.names == ('area_1', 'area_2', 'area_3', 'area_4') and GRID.episode_length == 100
    assert GRID.graph.parents == ((1,), (0, 2), (1, 3), (2,))
    for i, data in enumerate(GRID.local):
        assert (data.inertia, data.regulation, data.damping, data.turbine_time, data.governor_time) == (
            H[i],
            R[i],
            D[i],
            T_T[i],
            T_G[i],
        )
        assert data.input_lower.tolist() == [-U_MAX[i]] and data.input_upper.tolist() == [U_MAX[i]]
        assert data.state_upper.tolist() == [0.1, np.inf, np.inf, np.inf]
        assert data.state_lower.tolist() == [-0.1, -np.inf, -np.inf, -np.inf]
        assert dict(data.estimates) == {j: p for (a, j), p in FIRST.items() if a == i}
    assert {(i, j): GRID.coefficients[i, j] for i, j in zip(*np.nonzero(GRID.coefficients), strict=True)} == TRUE
    assert GRID.load_noise.tolist() == [0.1] * 4 and not GRID.initial_state.any()
    assert (GRID.structure.horizon, GRID.structure.discount, GRID.structure.sampling_time) == (5, 0.9, 1.0)
    assert not GRID.structure.terminal_cost
    expected = {
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
    }
    assert expected.items() <= dataclasses.asdict(GRID.defaults).items()


def test_the_first_parameters():
    for i, size in enumerate((30, 31, 31, 30)):
        layout, theta = GRID.parameters(i)
        assert layout.size == theta.size == size
        values = layout.unpack(theta)
        assert values['Q_x'].tolist() == np.diag([500.0, 0.1, 0.1, 10.0]).tolist() and values['Q_u'] == [10.0]
        assert not any(values[name].any() for name in ('V0', 'phi_lb', 'phi_ub', 'b', 'f'))
        assert {j: values[f'P_{j}'].item() for j in GRID.graph.parents[i]} == dict(GRID.local[i].estimates)


def test_a_step_of_the_plant_is_a_fine_integration_in_continuous_time():
    plant, draw = QUIET.plant(1), np.random.default_rng(2)
    for _ in range(3):
        before, u = draw.uniform(-0.3, 0.3, 16), draw.uniform(-1.0, 1.0, 4) * U_MAX
        plant.begin_episode(0)
        for step in range(5):
            plant.state = before.copy()
            load = QUIET.nominal_load(step)
            plant.step(np.split(u, 4))
            assert np.abs(plant.state - grid_step(before, u, load)).max() < 1e-9
    assert load.tolist() == [0.15, 0.0, 0.0, 0.0]  # of the fifth step: loads were tested, too


def test_references_are_saturated_before_they_act_and_before_they_cost():
    one, other = QUIET.plant(1), QUIET.plant(1)
    costs = one.step([np.array([3.0]), np.array([-3.0]), np.array([3.0]), np.array([-3.0])])
    expected = other.step([np.array([0.2]), np.array([-0.1]), np.array([0.3]), np.array([-0.1])])
    assert np.array_equal(costs, expected) and np.array_equal(one.state, other.state)
    assert costs == pytest.approx([10 * 0.04, 10 * 0.01, 10 * 0.09, 10 * 0.01])


def test_loads_are_in_force_from_steps_4_14_19_39_and_told_one_step_later():
    plant, still, told = QUIET.plant(1), [], []
    for step in range(45):
        told.append(np.concatenate(plant.observe()[1]))
        before = plant.state.copy()
        plant.step(NOTHING)
        force = [
            load
            for load in (
                [0] * 4,
                [0.15, 0, 0, 0],
                [0.15, -0.15, 0, 0],
                [0.15, -0.15, 0.12, 0],
                [0.15, -0.15, -0.12, 0.28],
            )
            if np.abs(plant.state - grid_step(before, np.zeros(4), np.array(load))).max() < 1e-9
        ]
        assert len(force) == 1, step
        still.append(force[0])
    changes = [k for k in range(1, 45) if still[k] != still[k - 1]]
    assert changes == [4, 14, 19, 39]
    assert [k for k in range(1, 45) if (told[k] != told[k - 1]).any()] == [5, 15, 20, 40]
    assert told[0].tolist() == [0.0] * 4
    assert all(told[k].tolist() == still[k - 1] for k in range(1, 45))


def test_stage_costs_by_hand():
    """Area 1 at (0.12, 0.1, 0.2, 0.3), load 0.15, u = 0.1: 500 0.0144 + 0.01 0.01 + 0.01 0.0025 + 10 0.0225
    + 10 0.0025 + 500 0.02; area 2 at 0.02 without a load: 500 0.0004; areas 3 and 4 rest. The line 1-2 carries
    4 x 0.1, the line 2-3 2 x 0.02: each area pays half of what its own lines carry, each line is paid at both ends."""
    plant = QUIET.plant(1)
    for _ in range(5):
        plant.step(NOTHING)
    plant.state = np.zeros(16)
    plant.state[:4], plant.state[4] = [0.12, 0.1, 0.2, 0.3], 0.02
    costs = plant.step([np.array([0.1]), *NOTHING[1:]])
    first = 500 * 0.0144 + 0.01 * 0.01 + 0.01 * 0.05**2 + 10 * 0.15**2 + 10 * 0.05**2 + 500 * 0.02
    assert costs == pytest.approx([first + 0.5 * 0.4, 500 * 0.0004 + 0.5 * (0.4 + 0.04), 0.5 * 0.04, 0.0], rel=1e-12)


def test_noise_of_loads_lies_within_its_bounds_fills_them_and_differs_between_areas():
    plant, quiet, draws = GRID.plant(3), QUIET.plant(3), []
    response = GRID.held().at(0.0)[:, 20:]
    for _ in range(1500):
        plant.begin_episode(0)
        quiet.begin_episode(0)
        plant.step(NOTHING)
        quiet.step(NOTHING)
        draws.append(np.linalg.lstsq(response, plant.state - quiet.state, rcond=None)[0])
    draws = np.array(draws)
    assert np.abs(draws).max() <= 0.1 + 1e-9 and np.abs(draws.mean(axis=0)).max() < 5 * 0.1 / np.sqrt(3 * 1500)
    assert draws.min() < -0.099 and draws.max() > 0.099
    assert np.abs(np.corrcoef(draws.T) - np.eye(4)).max() < 5 / np.sqrt(1500)


def test_the_noise_goes_on_in_another_episode_and_begins_again_at_a_reset():
    plant, seen = GRID.plant(4), []
    for begin in (lambda: None, lambda: plant.begin_episode(1), lambda: plant.reset(4), lambda: plant.reset(5)):
        begin()
        assert not plant.state.any() and not np.concatenate(plant.observe()[1]).any()
        seen.append(np.array([plant.step(NOTHING) is not None and plant.state.copy() for _ in range(6)]))
    assert not np.isclose(seen[0], seen[1]).all(axis=1).any()
    assert np.array_equal(seen[0], seen[2]) and not np.isclose(seen[0], seen[3]).all(axis=1).any()


def test_violation_is_that_of_the_angles():
    states = np.zeros((2, 16))
    states[0, [0, 1, 4]], states[1, [8, 12, 13]] = [0.15, 5.0, -0.1], [-0.3, 0.1, -9.0]
    violation = GRID.violation(states)
    assert violation[0, 0] == pytest.approx(0.05) and violation[1, 8] == pytest.approx(0.2)
    assert np.count_nonzero(violation) == 2


def test_a_diverged_plant_says_so():
    plant = GRID.plant(1)
    plant.state[:] = 1e308
    with np.errstate(over='ignore', invalid='ignore'), pytest.raises(ArithmeticError, match='diverged'):
        for _ in range(10):
            plant.step(NOTHING)
