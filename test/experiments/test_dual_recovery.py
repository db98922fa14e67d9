# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Fig. 1 of paper 001: the multipliers of the local problems fall geometrically to the centralised ones."""

import numpy as np
import pytest

from dmpcrl_ros.experiments.dual_recovery import dual_errors, dual_errors_of
from dmpcrl_ros.recording.recorded_loop import recorded
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.power_grid.four_areas import power_grid


def test_the_error_falls_geometrically_to_rounding():
    settings = Settings()
    errors = dual_errors(settings.make_system(), settings, np.array([0.1, 0.15, 0.05, 0.1, 0.2, 0.1]), 100)
    assert errors.shape == (100,) and errors[0] > 1e-2 and errors[-1] < 1e-9
    falling = np.log10(errors[:60:10])
    assert (np.diff(falling) < -0.5).all(), falling


def test_the_multipliers_of_the_grid_approach_the_centralised_ones_under_load():
    grid = power_grid()
    state = np.random.default_rng(1).uniform(-0.05, 0.05, 16)
    errors = dual_errors(grid, Settings(system='power_grid'), state, 800, step=60)
    assert errors[0] > 1.0 and errors[-1] < 1e-6 * errors[0]
    assert not np.isclose(errors[0], dual_errors(grid, Settings(system='power_grid'), state, 1)[0])


@pytest.mark.parametrize(
    'options',
    [
        {'coordination': 'admm'},
        {'coordination': 'admm', 'method': 'nominal_mpc', 'model': 'exact'},
        {
            'chain__variant': 'mallick2025',
            'learning__order': 'second-as-released',
            'coordination': 'admm',
            'admm__tolerance': 1e-2,
        },
    ],
)
def test_errors_of_a_run_are_those_at_its_first_and_its_middle_state(tmp_path, options):
    settings = Settings(steps=4, **options)
    list(recorded(settings, tmp_path / 'run'))
    run = load_run(tmp_path / 'run')
    found = dual_errors_of(run, 20)
    system = settings.make_system()
    assert list(found) == ['initial state', 'a state of the run']
    for errors, state in zip(found.values(), (system.initial_state, run.states[2]), strict=True):
        assert errors.shape == (20,) and errors[-1] < 0.5 * errors[0]
        assert errors.tolist() == dual_errors(system, settings, state, 20).tolist()


def test_scenario_mpc_has_other_multipliers(tmp_path):
    list(recorded(Settings(steps=2, method='scenario_mpc', scenarios=2, admm__iterations=3), tmp_path / 'run'))
    assert dual_errors_of(load_run(tmp_path / 'run')) is None
