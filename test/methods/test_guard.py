# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Guard over learning: what counts as harm, and the return of all agents to the last good parameters."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import directed_network, observation

from dmpcrl_ros.core.exchange import Exchange, ExchangeTimeout
from dmpcrl_ros.methods.guard import Finding, Guard, window_length
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop

WINDOW = 10
FINE, WORSE, HELD, HARM = range(4)


def guard(cost_size=1.0, theta=0.0, step=0):
    made = Guard(cost_size, WINDOW)
    made.begin(np.array([theta]), step)
    return made


def watch(made, costs, td_errors=None):
    """Steps until harm, 0 without."""
    for k, cost in enumerate(costs):
        made.note(void=False, cost=cost, td_error=None if td_errors is None else td_errors[k])
        if made.finding.level == HARM:
            return k + 1
    return 0


def test_a_mean_cost_of_five_times_the_first_window_is_harm():
    """The first window has a mean of 3. One with n costs of 63 and 10 - n of 3 has a mean of 3 + 6 n, above 15 from
    n = 3 on."""
    made = guard()
    assert not watch(made, [3.0] * WINDOW)
    assert watch(made, [63.0] * WINDOW) == 3
    assert f'mean stage cost of the last {WINDOW} steps is 21, more than 5 times 3' in made.held


def test_costs_below_the_usual_size_are_no_harm():
    """A window with 4 costs of 0.99 and 6 of 1.01 has a mean of 1.002."""
    made = guard(cost_size=1.0)
    assert not watch(made, [1e-6] * WINDOW + [0.99] * WINDOW)
    assert watch(made, [1.01] * WINDOW) == 6


def test_td_errors_count_by_their_magnitude():
    made = guard()
    assert not watch(made, [1.0] * WINDOW, [0.4] * WINDOW)
    assert watch(made, [1.0] * WINDOW, [-9.0, 0.0] * WINDOW)
    assert 'TD error' in made.held


def test_less_than_a_window_shows_nothing():
    made = guard()
    assert not watch(made, [1.0] * WINDOW + [0.5] * WINDOW)
    made.heed(WINDOW, np.zeros(1), made.finding)
    made.begin(np.zeros(1))
    for cost in [1.0, 1e6, 1e9]:
        made.note(void=False, cost=cost, td_error=1e9)
        assert made.finding.level == FINE


def test_harm_in_costs_holds_learning_for_the_rest_of_the_run():
    made = guard()
    assert watch(made, [1.0] * WINDOW + [1000.0])
    watch(made, [1.0] * 100)
    for _ in range(100):
        made.note(void=False, cost=0.0)
    assert made.finding.level == HARM
    made.begin(np.zeros(1))
    assert made.finding.level == FINE


def test_void_steps_hold_learning_as_long_as_they_last():
    """More than half of 10 steps is 6; a quarter is 2."""
    made = guard()
    for k in range(WINDOW):
        assert made.finding.level == FINE
        made.note(void=k < 6)
    for remaining in (6, 5, 4, 3):
        assert made.finding.level == HELD and f'{remaining} of the last {WINDOW} steps' in made.held
        assert made.heed(1, np.array([7.0]), made.finding) == [7.0]  # and all go on with what they have learned
        made.note(void=False)
    assert made.finding.level == FINE


def run_through(made, costs):
    """Good parameters after each step; the parameters are the number of the step."""
    found = []
    for step, cost in enumerate(costs):
        made.heed(step, np.array([float(step)]), made.finding)
        made.note(void=False, cost=cost)
        found.append(made.good[1].item())
    return found


def test_parameters_are_good_after_a_window_that_is_no_worse_than_the_best():
    """The first window costs 2, the second one 1 (good), the third one 1.05 (as good as the best), the fourth 1.5."""
    made = guard(theta=-1.0)
    found = run_through(made, [2.0] * WINDOW + [1.0] * WINDOW + [1.05] * WINDOW + [1.5] * (WINDOW + 1))
    assert found[WINDOW] == -1.0  # the first parameters have passed the first window
    assert found[2 * WINDOW] == WINDOW  # those taken in step 10 have passed the second one
    assert found[3 * WINDOW] == 2 * WINDOW
    assert found[4 * WINDOW] == 2 * WINDOW  # the fourth window is worse
    assert made.heed(47, np.zeros(1), Finding(HARM, -2.0 * WINDOW)) == [2 * WINDOW]


def test_the_best_window_is_forgotten_after_twenty():
    made = guard()
    found = run_through(made, [0.5] * WINDOW + [1.0] * (25 * WINDOW))
    assert found[20 * WINDOW] == 0.0 and found[24 * WINDOW] > 20 * WINDOW


def test_all_go_back_to_parameters_of_the_same_step():
    """An agent that has restarted has older good parameters than the others: all take those of its step."""
    first, second = guard(), guard()
    for made in (first, second):
        run_through(made, [1.0] * (5 * WINDOW + 1))
    second.begin(np.array([20.0]), 20)  # from a checkpoint
    assert (first.good[0], second.good[0]) == (40, 20)
    finding = Finding(*np.maximum([HARM, -40.0], second.finding))
    assert first.heed(57, np.zeros(1), finding) == [20.0] == second.heed(57, np.zeros(1), finding)
    assert first.finding.level == second.finding.level == HARM  # also at the agent that has not found it


def test_a_window_has_whole_episodes():
    assert [window_length(length) for length in (0, 7, 50, 60)] == [50, 56, 50, 60]


def run_of(**settings):
    """Some times the published rate, at which the chain is lost within 150 steps."""
    settings = Settings(
        seed=2, learning__order='first', learning__rate=4e-4, learning__bound_parameters=False, **settings
    )
    loop = ClosedLoop(settings.make_system(), settings)
    return loop, list(loop.run(200))


def test_all_agents_go_back_together_and_the_plant_recovers():
    loop, steps = run_of()
    held = np.array([step.metrics['learning_held'] for step in steps])
    first = int(np.argmax(held))
    assert first >= window_length() and held[first:].all()
    assert all('learning is held: the mean' in fault for fault in steps[-1].faults)
    assert not any(step.metrics['explored'] for step in steps[first + 2 :])
    assert len({agent.guard.good[0] for agent in loop.agents}) == 1
    for agent in loop.agents:
        assert np.array_equal(agent.theta, agent.guard.good[1])
    assert np.mean([step.costs.sum() for step in steps[-50:]]) < 10.0


def test_without_a_guard_the_same_learner_loses_the_plant():
    _, steps = run_of(learning__guard=False)
    assert np.mean([step.costs.sum() for step in steps[-50:]]) > 1e6


@pytest.mark.parametrize('coordination', ['reactions', 'packed-admm', 'admm'])
def test_what_one_agent_finds_all_follow_in_the_same_step(coordination):
    """The middle one of three agents alone finds harm, in step 62."""
    settings = Settings(
        coordination=coordination, seed=2, **({} if coordination == 'reactions' else {'admm__iterations': 20})
    )
    loop = ClosedLoop(settings.make_system(), settings)
    for step in loop.run(80):
        if step.step == 62:
            loop.agents[1].guard.harm = 'the test says so'
        if step.step == 61:
            assert not any(np.array_equal(agent.theta, agent.guard.good[1]) for agent in loop.agents)
        if step.step >= 64:
            assert step.metrics['learning_held'] == 1.0
            assert all(np.array_equal(agent.theta, agent.guard.good[1]) for agent in loop.agents)
    assert len({agent.guard.good[0] for agent in loop.agents}) == 1
    assert 'of another agent' in step.faults[0] and 'the test says so' in step.faults[1]


def test_steps_that_are_not_certified_do_not_end_the_hold():
    settings = Settings(seed=2, stopping__rounds=60)
    loop = ClosedLoop(settings.make_system(), settings)
    for step in loop.run(40):
        if step.step == 20:
            loop.agents[1].guard.harm = 'the test says so'
            updates = [agent.updates for agent in loop.agents]
        if step.step == 22:
            for agent in loop.agents:
                agent.coordination._most = 2  # the rounds end before the certificate
        if step.step > 24:
            assert step.metrics['learning_held'] == 1.0 and step.metrics['explored'] == 0.0
            assert step.metrics['certified'] == 0.0
    assert max(agent.updates for agent in loop.agents) <= max(updates) + 1


def test_while_an_operator_holds_learning_the_guard_takes_no_evidence():
    settings = Settings()
    agent = settings.make_agent(settings.make_system(), 0)
    theta = agent.theta
    for k in range(2 * window_length()):
        program = agent.step(replace(observation(np.zeros(2), step=k), hold='paused'))
        with pytest.raises(StopIteration):
            request = next(program)
            while True:
                request = (
                    program.throw(ExchangeTimeout('no answer')) if isinstance(request, Exchange) else next(program)
                )
    assert agent.guard.finding.level == FINE and np.array_equal(agent.theta, theta)


def test_parameters_given_from_outside_are_good():
    settings = Settings()
    agent = settings.make_agent(settings.make_system(), 0)
    first = agent.theta
    agent.theta = 1.1 * first
    assert np.array_equal(agent.guard.good[1], 1.1 * first)
    agent.reset()
    assert np.array_equal(agent.guard.good[1], first) and np.array_equal(agent.theta, first)


def test_a_snapshot_keeps_the_good_parameters():
    system = directed_network()
    settings = Settings()
    agent, other = (settings.make_agent(system, 0) for _ in range(2))
    agent.guard.begin(1.1 * agent.theta, 350)
    other.restore(agent.snapshot())
    step, good = other.guard.good
    assert step == 350 and np.array_equal(good, 1.1 * agent.theta) and np.array_equal(other.theta, agent.theta)
    other.restore({name: array for name, array in agent.snapshot().items() if not name.startswith('good')})
    assert np.array_equal(other.guard.good[1], agent.theta)
