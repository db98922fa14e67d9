# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The four areas learn: the cost of an episode falls below that of the first controllers under the same loads."""

import numpy as np
import pytest

from dmpcrl_ros.methods.learner import Transition
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.power_grid.four_areas import power_grid

EPISODES, LENGTH = 10, 100


def episode_costs(**settings):
    """(episodes,), and the transitions."""
    central = settings.get('learn') is False  # the same but for ADMM's error, and quicker
    loop = ClosedLoop(power_grid(), Settings(system='power_grid', learning__order='first', **settings), central=central)
    steps = list(loop.run(EPISODES * LENGTH))
    return np.array([step.costs.sum() for step in steps]).reshape(EPISODES, LENGTH).sum(axis=1), steps, loop


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_the_cost_of_an_episode_falls(seed):
    """With the published constants and 20 iterations of ADMM: the last three of ten episodes cost less than 75 % of
    what they do untrained; nothing is void but the ends of episodes, and the safeguards keep the problem convex."""
    learned, steps, loop = episode_costs(seed=seed)
    untrained, *_ = episode_costs(seed=seed, learn=False)
    assert learned[-3:].mean() < 0.75 * untrained[-3:].mean()
    assert not any(any(step.faults) for step in steps)
    ends = range(LENGTH - 1, EPISODES * LENGTH, LENGTH)
    assert [step.step for step in steps if np.isnan(step.metrics['td_error'])] == list(ends)
    for agent in loop.agents:
        assert agent.updates == EPISODES
        weights = agent.mpc.layout.unpack(agent.mpc.theta)['Q_x']
        assert np.array_equal(weights, weights.T) and np.linalg.eigvalsh(weights)[0] > 0.0


def test_without_bounds_weights_are_free_as_published():
    """The learner is given a transition that leads to weights of -1, with a rate of one."""
    for bounded in (True, False):
        settings = Settings(
            system='power_grid', learning__order='first', learning__rate=1.0, learning__bound_parameters=bounded
        )
        agent = settings.make_agent(power_grid(), 0)
        part, change = agent.layout.slices['Q_x'], np.zeros(agent.layout.size)
        change[part] = -np.eye(4).ravel() - agent.theta[part]
        agent.learner.observe(Transition(100, 1.0, change))
        (update,), _ = run_lockstep([agent.learner.update(100, agent.theta)])
        assert (update.metrics['parameters_held'] > 0) == bounded
        assert (np.linalg.eigvalsh(update.theta[part].reshape(4, 4))[0] > 0.0) == bounded
