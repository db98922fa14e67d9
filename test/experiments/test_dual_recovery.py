"""Fig. 1 of paper 001: the multipliers of the local problems fall geometrically to the centralised ones."""
import numpy as np

from dmpcrl_ros.experiments.dual_recovery import dual_errors
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.power_grid.four_areas import power_grid


def test_the_error_falls_geometrically_to_rounding():
    settings = Settings()
    errors = dual_errors(settings.network(), settings, np.array([0.1, 0.15, 0.05, 0.1, 0.2, 0.1]), 100)
    assert errors.shape == (100,) and errors[0] > 1e-2 and errors[-1] < 1e-9
    falling = np.log10(errors[:60:10])
    assert (np.diff(falling) < -0.5).all(), falling


def test_the_multipliers_of_the_grid_approach_the_centralised_ones_under_load():
    grid = power_grid()
    state = np.random.default_rng(1).uniform(-0.05, 0.05, 16)
    errors = dual_errors(grid, Settings(scenario='power_grid'), state, 800, step=60)
    assert errors[0] > 1.0 and errors[-1] < 1e-6 * errors[0]
    assert not np.isclose(errors[0], dual_errors(grid, Settings(scenario='power_grid'), state, 1)[0])
