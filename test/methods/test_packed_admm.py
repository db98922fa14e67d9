# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Agents that evaluate V and Q by ADMM in the same rounds, against the published order and the centralised problem."""

import numpy as np
import pytest
from helpers import Watch, interrupted, never, nth, observation, without

from dmpcrl_ros.core.exchange import DeadlineReached, Exchange
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import step_in_lockstep
from dmpcrl_ros.systems.linear.chain import chain

PACKED = {'coordination': 'packed-admm', 'seed': 8, 'learning__order': 'first'}
EXACT = PACKED | {'admm__iterations': 4000, 'admm__tolerance': 1e-9}
STATES = [np.array([0.3, 0.1]), np.array([0.2, 0.2]), np.array([0.1, 0.3])]


def run(steps, central=False, **settings):
    settings = Settings(**settings)
    loop = ClosedLoop(settings.make_system(), settings, central=central)
    return list(loop.run(steps)), loop


@pytest.mark.parametrize(
    ('settings', 'steps', 'rounds'),
    [
        ({}, 24, 150.0),
        ({'chain__variant': 'mallick2025', 'learning__order': 'second'}, 10, 413.0),
        ({'system': 'power_grid'}, 12, 109.0),
    ],
    ids=['mallick2024', 'mallick2025, second order', 'power grid'],
)
def test_from_cold_the_numbers_are_those_of_the_published_order_in_fewer_rounds(settings, steps, rounds):
    """V and Q of a TD error belong to the same theta in either order; what the rounds carry does not depend on it."""
    cold = {'admm__warm_start': False, 'learning__exploration': False} | settings
    (ours, loop), (published, other) = (run(steps, **PACKED | cold | how) for how in ({}, {'coordination': 'admm'}))
    for step, expected in zip(ours, published, strict=True):
        assert np.array_equal(step.actions, expected.actions) and not any(step.faults)
        assert step.metrics['td_error'] == pytest.approx(expected.metrics['td_error'], rel=1e-12, nan_ok=True)
    for agent, expected in zip(loop.agents, other.agents, strict=True):
        assert agent.theta == pytest.approx(expected.theta, rel=1e-12) and agent.updates == expected.updates
    mean, before = (np.mean([step.rounds for step in each[1:]]) for each in (ours, published))
    assert before == pytest.approx(rounds, abs=3.0)
    assert mean < 0.72 * before or 'system' in settings  # the grid evaluates Q at the end of an episode only


@pytest.mark.parametrize('exploration', [False, True])
def test_with_a_tolerance_all_agents_certify_and_are_close_to_the_centralised_problem(exploration):
    """Where agents explore, the action minimises the network's objective plus their perturbations, and V has none."""
    settings, thetas, outcomes = Settings(**EXACT, learning__exploration=exploration), [], []

    def drive(programs):
        thetas.append(np.concatenate([agent.theta for agent in loop.agents]))
        outcomes.append(step_in_lockstep(programs))
        return outcomes[-1]

    system = settings.make_system()
    loop = ClosedLoop(system, settings, drive=drive)
    for i, agent in enumerate(loop.agents):  # the first model has no coupling
        agent.theta = system.model_parameters(i, exact=True)
    central = Settings(coordination='admm').make_central_agent(system).mpc
    explored = 0
    for step in loop.run(8):
        perturbation = np.zeros(3)
        if exploration:
            coins = loop.agents[0].exploration.coins(step.step)
            directions = [agent.exploration.direction(step.step) for agent in loop.agents]
            perturbation[coins] = np.concatenate(directions)[coins]
            explored += coins.sum()
        central.theta = thetas[step.step]
        central.begin(step.states, perturbation=perturbation)
        central.solve()
        assert step.actions == pytest.approx(central.action(central.solution()), abs=1e-5)
        central.begin(step.states)
        central.solve()
        value = central.value(central.solution())
        for report in outcomes[step.step].reports:
            assert report.metrics['value'] == pytest.approx(value, rel=1e-6)
            assert report.metrics['certified'] == 1.0 and not report.fault
            assert report.metrics['primal_residual'] <= 1e-9 and report.metrics['admm_iterations'] < 4000
    assert bool(explored) == exploration


def test_the_centralised_twin_needs_no_rounds():
    alike = {'seed': 5, 'central': True, 'learning__exploration': False}
    (ours, _), (published, _) = (run(12, **alike, coordination=name) for name in ('packed-admm', 'admm'))
    for step, expected in zip(ours, published, strict=True):
        assert step.rounds == 0 and step.metrics['certified'] == 1.0
        assert step.actions == pytest.approx(expected.actions, abs=1e-9)
        assert step.metrics['td_error'] == pytest.approx(expected.metrics['td_error'], rel=1e-9, nan_ok=True)


def acting(agents, states=STATES, step=0, chosen=never, error=None):
    programs = [agent.step(observation(state, step)) for agent, state in zip(agents, states, strict=True)]
    if error:
        programs = [interrupted(program, chosen(), error) for program in programs]
    return step_in_lockstep(programs)


def agents_of(**settings):
    settings = Settings(**PACKED | {'learning__exploration': False} | settings)
    system = settings.make_system()
    return [settings.make_agent(system, i) for i in range(3)]


def test_nobody_learns_from_a_step_in_which_one_agent_has_no_solution():
    agents = agents_of()
    acting(agents)
    outcome = acting(agents, [STATES[0], np.full(2, np.nan), STATES[2]], step=1)
    assert [act.fallback for act in outcome.acts] == [False, True, False]
    assert 'not finite' in outcome.reports[1].fault
    assert all('an agent has no solution' in outcome.reports[i].fault for i in (0, 2))
    assert not any('td_error' in report.metrics for report in outcome.reports)
    after = [acting(agents, step=step).reports for step in (2, 3)]
    assert [['td_error' in report.metrics for report in each] for each in after] == [[False] * 3, [True] * 3]


@pytest.mark.parametrize('kind', ['copies', 'averages', 'consensus', 'maximum'])
def test_when_time_is_up_the_action_is_that_of_the_iterations_until_then(kind):
    """The input is the agent's own part of its last local solution; in the sums after the iterations, of the last."""
    chosen = {'copies': 8, 'averages': 8, 'consensus': 1, 'maximum': 1}[kind]
    late = agents_of(admm__warm_start=False)
    done = agents_of(admm__warm_start=False, admm__iterations=8 if chosen == 8 else 50)
    outcome = acting(late, chosen=lambda: nth(chosen, kind), error=DeadlineReached('out of time'))
    assert [act.action.item() for act in outcome.acts] == [act.action.item() for act in acting(done).acts]
    assert not any(act.fallback for act in outcome.acts)
    assert [report.fault for report in outcome.reports] == ['out of time'] * 3


def test_each_evaluation_begins_where_that_of_its_name_ended():
    """With a warm start a second evaluation of the same states has smaller residuals than the first, V and Q alike."""
    agents = agents_of(learning__order='first', admm__iterations=20)
    first, second, third = (acting(agents, step=step).reports[0].metrics['primal_residual'] for step in range(3))
    assert third < 0.5 * first and second < first


def test_messages_of_both_evaluations_go_to_the_neighbours_together():
    agents, watch = agents_of(admm__iterations=3), Watch()
    watch([agent.step(observation(state, 3)) for agent, state in zip(agents, STATES, strict=True)])
    kinds = [asked.kind for asked in watch.requests[0][0] if isinstance(asked, Exchange)]
    assert kinds.count('copies + copies') == 3 and kinds.count('averages + averages') == 3
    assert kinds[0] == 'maximum + maximum'  # whether all start warm
    assert not {'copies', 'averages'} & set(kinds)


def test_every_evaluation_holds_the_last_prediction_of_a_lost_parent():
    """Agent 0 of three is lost, and would explore: the others evaluate the perturbed problem for the first time. They
    have no perturbation, so that its solution is that of V."""
    actions, states = [], [np.array([0.9, -0.2]), np.array([0.5, -0.1]), np.array([0.9, -0.1])]  # inputs within bounds
    for coin in (False, True):
        agents = agents_of(learning__exploration=True, admm__iterations=400, admm__warm_start=False)
        for i, agent in enumerate(agents):  # the first model has no coupling
            agent.theta = chain(3).model_parameters(i, exact=True)
            agent.exploration.coins = lambda step, coin=coin: np.array([coin and step == 3, False, False])
        for step in range(3):
            acting(agents, states, step=step)
        programs = [agent.step(observation(state, 3)) for agent, state in zip(agents, states, strict=True)]
        outcome = step_in_lockstep([programs[0], *(without(program, 0) for program in programs[1:])])
        actions.append([act.action.item() for act in outcome.acts[1:]])
    assert actions[1] == pytest.approx(actions[0], abs=1e-6)
