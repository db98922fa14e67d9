"""Second-order learning in closed loop (paper 000): the agents follow the centralised learner step by step."""
import numpy as np
import pytest

from dmpcrl_ros.core.exchange import ExchangeTimeout
from dmpcrl_ros.methods.q_learning.learner import Update
from dmpcrl_ros.settings.run import SettingError, Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import chain


def costs(steps, central=False, **settings):
    """Stage costs of the network (T,)."""
    loop = ClosedLoop(chain(3, '000'), Settings(**{'variant': '000', 'learner': 'second-order'} | settings), central)
    return np.array([step.costs.sum() for step in loop.run(steps)])


def worst(found, expected):
    return (np.abs(found - expected) / np.abs(expected)).max()


@pytest.mark.parametrize('seed', [1, 4, 6])
def test_the_agents_follow_the_centralised_learner_over_forty_steps(seed):
    """Guarantee 1 end to end, with the published 100 iterations, on seeds where these suffice (of 1 to 8: 1, 4, 6, 7);
    closer with more of them. What ADMM leaves of the first costs, 2e-9, grows tenfold in four steps: the closed loop
    with learning is chaotic."""
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


@pytest.mark.parametrize('learner', ['first-order', 'second-order'])
def test_a_round_lost_in_the_agreement_on_an_update_undoes_it(learner):
    """The program of one agent is told of a lost neighbour while it agrees on the update."""
    loop = ClosedLoop(chain(3, '000'), Settings(variant='000', learner=learner, admm_iterations=10))
    for _ in loop.run(3):
        pass
    agent, before = loop.agents[0], loop.agents[0].mpc.theta

    def update(step, theta):
        yield from ()
        return Update(theta + 1e-3)

    agent.learner.update = update
    program = agent._update(4)
    assert next(program).kind == 'maximum' and agent.mpc.theta is not before
    with pytest.raises(ExchangeTimeout):
        program.throw(ExchangeTimeout('a neighbour is lost'))
    assert np.array_equal(agent.mpc.theta, before)


@pytest.mark.parametrize('victim', [0, 15])
def test_agents_agree_on_what_is_void_even_where_their_averages_differ(victim):
    """Sixteen agents in a row, a hundred rounds of fixed weights: averages of the two ends differ by a tenth."""
    loop = ClosedLoop(chain(16), Settings(agents=16, consensus='fixed', admm_iterations=3, exploration=False))
    learned = [[] for _ in loop.agents]
    for observed, agent in zip(learned, loop.agents, strict=True):
        agent.learner.observe = lambda transition, observed=observed: observed.append(transition.step)
    for step in loop.run(4):
        if step.step == 1:
            loop.agents[victim].abandon()
    assert all(observed == learned[0] for observed in learned) and len(learned[0]) == 3


def test_there_is_no_central_learner_with_the_scaling_of_distributed_ones():
    with pytest.raises(SettingError, match='second-order-released'):
        ClosedLoop(chain(3), Settings(learner='second-order-released'), central=True)


def test_a_report_is_made_of_plain_values():
    """Those of numpy are no bool, int or float to a message, which ends the process that sends it."""
    loop, kinds = ClosedLoop(chain(3, '000'), Settings(variant='000', learner='second-order', admm_iterations=5)), set()
    learn = loop.agents[0].learn

    def watched(*arguments):
        report = yield from learn(*arguments)
        kinds.update(type(value) for value in vars(report).values())
        return report

    loop.agents[0].learn = watched
    list(loop.run(4))
    assert kinds == {bool, int, float, str}
