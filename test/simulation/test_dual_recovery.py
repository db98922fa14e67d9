"""Fig. 1 of paper 001: the multipliers of the local problems fall geometrically to the centralised ones."""
import numpy as np

from dmpcrl_ros.scenarios.power_grid import power_grid
from dmpcrl_ros.settings import Settings
from dmpcrl_ros.simulation.dual_recovery import dual_errors


def test_the_error_falls_geometrically_to_rounding():
    settings = Settings()
    errors = dual_errors(settings.network(), settings, np.array([0.1, 0.15, 0.05, 0.1, 0.2, 0.1]), 100)
    assert errors.shape == (100,) and errors[0] > 1e-2 and errors[-1] < 1e-9
    falling = np.log10(errors[:60:10])
    assert (np.diff(falling) < -0.5).all(), falling


def test_the_multipliers_of_the_grid_approach_the_centralised_ones_under_load():
    grid = power_grid()
    state = np.random.default_rng(1).uniform(-0.05, 0.05, 16)
    errors = dual_errors(grid, Settings(scenario='power_grid'), state, 500, step=60)
    assert errors[-1] < 1e-6 < 1e-2 < errors[0]
    assert not np.isclose(errors[0], dual_errors(grid, Settings(scenario='power_grid'), state, 1)[0])
