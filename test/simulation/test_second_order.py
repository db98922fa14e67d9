# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Second-order learning in closed loop (paper 000): the agents follow the centralised learner step by step."""

import numpy as np
import pytest
from helpers import Told, Watch, interrupted, observation

from dmpcrl_ros.core.exchange import ExchangeTimeout
from dmpcrl_ros.settings.run import SettingError, Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import chain

ADMM = {'coordination': 'admm', 'admm__iterations': 5}


def costs(steps, central=False, **settings):
    """Stage costs of the network (T,)."""
    loop = ClosedLoop(chain(3, 'mallick2025'), Settings(**{'learning__order': 'second'} | settings), central)
    return np.array([step.costs.sum() for step in loop.run(steps)])


def worst(found, expected):
    return (np.abs(found - expected) / np.abs(expected)).max()


@pytest.mark.parametrize('seed', [1, 4, 6])
def test_the_agents_follow_the_centralised_learner_over_forty_steps(seed):
    """Guarantee 1 end to end, with the published 100 iterations, on seeds where these suffice (of 1 to 8: 1, 4, 6, 7);
    closer with more of them. What ADMM leaves of the first costs, 2e-9, grows tenfold in four steps: the closed loop
    with learning is chaotic."""
    central = costs(40, central=True, seed=seed)
    published = worst(costs(40, seed=seed, coordination='admm'), central)
    more = worst(costs(40, seed=seed, coordination='admm', admm__iterations=200), central)
    assert published < 1e-4
    assert more < 0.1 * published


@pytest.mark.parametrize('seed', [2, 8])
def test_twice_the_iterations_are_enough_where_the_published_ones_are_not(seed):
    """Cases: those of the seeds 1 to 8 whose error after 100 iterations grows most."""
    central = costs(40, central=True, seed=seed)
    assert worst(costs(40, seed=seed, coordination='admm', admm__iterations=200), central) < 1e-4


def test_the_released_scaling_does_not_follow_it():
    """Proof that the test above can fail: with the weights of the release the runs part within twenty steps."""
    free = {'seed': 5, 'learning__curvature': 'keep', 'learning__step_limit': None, 'learning__bound_parameters': False}
    released = costs(25, learning__order='second-as-released', **free)
    assert worst(released, costs(25, central=True, **free)) > 1e-2


def test_learning_brings_the_cost_down_where_the_first_order_does_not():
    """A short trend; the published comparison is `dmpcrl reproduce mallick2025`."""
    second = costs(500, central=True, seed=1)
    first = costs(500, central=True, seed=1, learning__order='first')
    assert second[400:].mean() < 0.25 * second[:100].mean()
    assert first[400:].mean() > 0.5 * first[:100].mean()


def test_an_update_that_one_agent_cannot_use_is_made_by_none():
    """Penalty weights that would be negative at one agent: the whole network keeps its parameters and says so."""
    loop = ClosedLoop(
        chain(3, 'mallick2025'),
        Settings(learning__order='second', learning__bound_parameters=False, coordination='admm', admm__iterations=20),
    )
    steps, thetas = loop.run(12), []
    learner = loop.agents[1].learner
    update = learner.update

    def harmful(step, theta):
        result = yield from update(step, theta)
        if step == 6:
            result.theta[loop.agents[1].layout.slices['w']] = -1.0
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


@pytest.mark.parametrize('order', ['first', 'second'])
def test_a_round_lost_in_the_agreement_on_an_update_undoes_it(order):
    """A neighbour is lost while the programs agree on the update, whose parameters are already in force."""
    watch = Watch()
    loop = ClosedLoop(
        chain(3, 'mallick2025'), Settings(learning__order=order, coordination='admm', admm__iterations=10), drive=watch
    )
    for _ in loop.run(3):
        pass
    before, changed, programs = [agent.theta for agent in loop.agents], [], []
    states, exogenous = loop.plant.observe()

    def updated(agent, theta):
        def chosen(request):
            if agent.theta is theta:
                return False
            changed.append((request.kind, not np.array_equal(agent.theta, theta)))
            return True

        return chosen

    for agent, theta, state in zip(loop.agents, before, states, strict=True):
        told = observation(state, step=4)
        programs.append(interrupted(agent.step(told), updated(agent, theta), ExchangeTimeout('a neighbour is lost')))
    reports = watch(programs).reports
    assert changed == [('maximum', True)] * 3
    for agent, theta, report in zip(loop.agents, before, reports, strict=True):
        assert np.array_equal(agent.theta, theta) and agent.updates == 3
        assert report.fault == 'a neighbour is lost' and report.updates == 3


@pytest.mark.parametrize('victim', [0, 15])
def test_agents_agree_on_what_is_void_even_where_their_averages_differ(victim):
    """Sixteen agents in a row, a hundred rounds of fixed weights: averages of the two ends differ by a tenth. The
    action of one agent is replaced on its way to the plant in one step."""
    settings = Settings(
        consensus__averaging='fixed', coordination='admm', admm__iterations=3, learning__exploration=False
    )
    loop = ClosedLoop(chain(16), settings)
    loop.agents[victim] = Told(loop.agents[victim], lambda step: {'applied': np.full(1, 7.0)} if step == 3 else {})
    list(loop.run(4))
    assert [agent.snapshot()['steps'].tolist() for agent in loop.agents] == [[1, 2, 4]] * 16


def test_there_is_no_central_learner_with_the_scaling_of_distributed_ones():
    with pytest.raises(SettingError, match='second-as-released'):
        ClosedLoop(chain(3), Settings(learning__order='second-as-released'), central=True)


@pytest.mark.parametrize(
    'settings',
    [
        ADMM | {'learning__order': 'first'},
        ADMM | {'learning__order': 'second'},
        ADMM | {'method': 'nominal_mpc'},
        {'method': 'scenario_mpc', 'scenarios': 2, 'admm__iterations': 5},
        {'coordination': 'reactions'},
    ],
    ids=['first', 'second', 'nominal', 'scenario', 'reactions'],
)
def test_a_report_has_plain_values_of_declared_metrics(settings):
    """Values of numpy are no int or float to a message, which ends the process that sends it."""
    watch, settings = Watch(), Settings(**settings)
    list(ClosedLoop(chain(3, 'mallick2025'), settings, drive=watch).run(4))
    reports = [report for step in watch.reports for report in step]
    assert {(type(report.updates), type(report.fault)) for report in reports} == {(int, str)}
    assert {type(value) for report in reports for value in report.metrics.values()} <= {int, float}
    declared = {metric.name for metric in settings.make_method().metrics}
    of_others = {'admm_iterations', 'primal_residual', 'dual_residual'}
    if getattr(settings.of_method, 'coordination', 'admm') == 'admm':
        of_others = {'coordination_rounds'}
    assert {name for report in reports for name in report.metrics} == declared - of_others
