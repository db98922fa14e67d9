"""Second-order learning in closed loop (paper 000): the agents follow the centralised learner step by step."""
import numpy as np
import pytest

from dmpcrl_ros.scenarios.chain import chain
from dmpcrl_ros.settings import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop


def costs(steps, central=False, **settings):
    """Stage costs of the network (T,)."""
    loop = ClosedLoop(chain(3, '000'), Settings(**{'variant': '000', 'learner': 'second-order'} | settings), central)
    return np.array([step.costs.sum() for step in loop.run(steps)])


def worst(found, expected):
    return (np.abs(found - expected) / np.abs(expected)).max()


@pytest.mark.parametrize('seed', [1, 4, 6])
def test_the_agents_follow_the_centralised_learner_over_forty_steps(seed):
    """Guarantee 1 end to end, with the published 100 iterations; closer with more of them. What ADMM leaves of the
    first costs, 2e-9, grows tenfold in four steps: the closed loop with learning is chaotic."""
    central = costs(40, central=True, seed=seed)
    published = worst(costs(40, seed=seed), central)
    more = worst(costs(40, seed=seed, admm_iterations=200), central)
    assert published < 1e-4
    assert more < 0.1 * published


@pytest.mark.parametrize('seed', [2, 8])
def test_twice_the_iterations_are_enough_where_the_published_ones_are_not(seed):
    """Of the seeds 1 to 8 those where the error after 100 iterations grows most."""
    central = costs(40, central=True, seed=seed)
    assert worst(costs(40, seed=seed, admm_iterations=200), central) < 1e-4


def test_the_released_scaling_does_not_follow_it():
    """That the test above can fail: with the weights of the release the runs part within twenty steps."""
    free = {'seed': 5, 'curvature': 'keep', 'step_limit': 0.0, 'bound_parameters': False}
    released = costs(25, learner='second-order-released', **free)
    assert worst(released, costs(25, central=True, **free)) > 1e-2


def test_learning_brings_the_cost_down_where_the_first_order_does_not():
    """A short trend; the published comparison is `dmpcrl reproduce 000`."""
    second = costs(500, central=True, seed=1)
    first = costs(500, central=True, seed=1, learner='first-order')
    assert second[400:].mean() < 0.25 * second[:100].mean()
    assert first[400:].mean() > 0.5 * first[:100].mean()


def test_an_update_that_one_agent_cannot_use_is_made_by_none():
    """Penalty weights that would be negative at one agent: the whole network keeps its parameters and says so."""
    loop = ClosedLoop(chain(3, '000'), Settings(variant='000', learner='second-order', bound_parameters=False,
                                                admm_iterations=20))
    steps, thetas = loop.run(12), []
    learner = loop.agents[1].learner
    update = learner.update

    def harmful(step, theta):
        result = yield from update(step, theta)
        if step == 6:
            result.theta[loop.agents[1].mpc.layout.slices['w']] = -1.0
        return result

    learner.update = harmful
    faults = []
    for each in steps:
        faults.append(each.faults)
        thetas.append([agent.mpc.theta for agent in loop.agents])
    assert 'penalty' in faults[5][1] or 'negative' in faults[5][1]
    assert [fault for fault in faults[5][::2]] == ['update refused by another agent'] * 2
    for agent in range(3):
        assert np.array_equal(thetas[5][agent], thetas[4][agent])
        assert not np.array_equal(thetas[6][agent], thetas[5][agent])
        assert [loop.agents[agent].updates for agent in range(3)] == [11] * 3
