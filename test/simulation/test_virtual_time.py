# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Agents whose messages are lost, delayed, duplicated, reordered or corrupted: no run hangs or learns what is wrong."""

from functools import cache

import numpy as np
import pytest
from faulty_run import EVERYTHING, HARMLESS, Chosen, Loop, Run, same, same_theta
from helpers import directed_network

from dmpcrl_ros.core.events import GIVEN_UP
from dmpcrl_ros.core.exchange import Exchange, ExchangeTimeout
from dmpcrl_ros.simulation.virtual_time import VirtualTimeNetwork
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.testing.fault_plan import Death, FaultPlan

PATIENT = {'round_timeout': 40.0}


@cache
def chain_of(n_agents=3, **settings):
    return Loop(chain(n_agents), **settings)


@cache
def lossless(steps=60):
    return Run(None, steps, chain_of())


def exchange(other, *messages):
    """Result: the messages of each round, or the reason why there were none."""
    heard = []
    for message in messages:
        try:
            inbox = yield Exchange('news', {other: np.array([message])}, {other: (1,)})
        except ExchangeTimeout as timeout:
            return [*heard, str(timeout)]
        heard.append(inbox[other].item())
    return heard


def test_who_waits_in_vain_is_told_and_stops_those_that_wait_for_it():
    """Agent 0 misses round 6. Agent 1 has received its message of round 6, and waits in round 7 in vain."""
    driver = VirtualTimeNetwork(Chosen((1, 0, 0, 6)), [[1], [0]], round_timeout=4.0)
    heard = driver([exchange(1, *range(10, 20)), exchange(0, *range(20, 30))]).reports
    assert heard == [[*range(20, 26), "no 'news' from 1 in round 6 within 4 s"], [*range(10, 17), '0: step given up']]
    assert driver.timeouts == 1 and driver.lost == [(1, 0, 0, 6, 'news')]
    heard = driver([exchange(1, 10.0, 11.0), exchange(0, 20.0, 21.0)]).reports
    assert heard == [[20.0, 21.0], [10.0, 11.0]]  # together again in the next step


def test_who_is_not_told_that_its_neighbour_gave_up_waits_as_long_as_the_timeout():
    """As above, but the news that agent 0 gave up, which is stamped with its round, is lost, too."""
    driver = VirtualTimeNetwork(Chosen((1, 0, 0, 6), (0, 1, 0, 6, GIVEN_UP)), [[1], [0]], round_timeout=4.0)
    heard = driver([exchange(1, *range(10, 20)), exchange(0, *range(20, 30))]).reports
    assert [each[-1] for each in heard] == [
        "no 'news' from 1 in round 6 within 4 s",
        "no 'news' from 0 in round 7 within 4 s",
    ]
    assert driver.timeouts == 2 and driver.lost == [(1, 0, 0, 6, 'news'), (0, 1, 0, 6, GIVEN_UP)]


def test_at_the_start_of_a_step_a_round_is_waited_for_twice_as_long():
    """Neighbours may still wait for the last round of the step before, for as long as the timeout."""
    driver = VirtualTimeNetwork(Chosen((1, 0, 0, 1)), [[1], [0]], round_timeout=4.0)
    driver([exchange(1, 10.0, 11.0, 12.0), exchange(0, 20.0, 21.0, 22.0)])
    assert driver.now == 8.0 and driver.timeouts == 2


def test_programs_that_wait_for_ever_are_noticed():
    driver = VirtualTimeNetwork(Chosen((1, 0, 0, 1)), [[1], [0]], round_timeout=float('inf'))
    with pytest.raises(RuntimeError, match=r'agents \[0, 1\] wait forever'):
        driver([exchange(1, 10.0, 11.0, 12.0), exchange(0, 20.0, 21.0, 22.0)])


def test_what_comes_after_the_patience_of_its_receiver_is_lost():
    plan = FaultPlan(delay_probability=1.0, delay_rounds=50)
    driver = VirtualTimeNetwork(plan, [[1], [0]], round_timeout=2.0)
    heard = driver([exchange(1, 1.0, 2.0), exchange(0, 3.0, 4.0)]).reports
    assert heard == [[f"no 'news' from {other} in round 0 within 2 s"] for other in (1, 0)]


@pytest.mark.parametrize(
    ('network', 'settings'),
    [
        (chain(3), {}),
        (chain(3, 'mallick2025'), {'learning__order': 'second'}),
        (directed_network(), {}),
        (chain(4), {'coordination': 'admm', 'admm__tolerance': 1e-3}),
    ],
    ids=['first order', 'second order', 'directed', 'residual stop'],
)
@pytest.mark.parametrize('faults', [{}, HARMLESS], ids=['no faults', 'late, duplicated, reordered'])
def test_without_a_loss_the_numbers_are_those_without_faults(network, settings, faults):
    loop = Loop(network, **settings)
    run, reference = (Run(plan, 40, loop, timing=PATIENT) for plan in (FaultPlan(seed=2, **faults), None))
    assert same(run, reference) and same_theta(run, reference)
    assert run.updates[0] > 10 and not run.driver.timeouts
    assert set(run.dropped()) <= ({'duplicate', 'late'} if faults else set())
    assert bool(run.dropped()['duplicate'] + run.dropped()['late']) == bool(faults)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_until_the_first_loss_the_numbers_are_those_without_faults(seed):
    run = Run(FaultPlan(seed=seed, loss=5e-4, **HARMLESS), 60, chain_of(), timing=PATIENT)
    first = min(run.lost_steps())
    assert 5 < first < 50
    assert same(run, lossless(), first - 1)  # transition first - 1 ends in the step of the loss, and is void
    assert all(
        np.array_equal(one.states, other.states)
        for one, other in zip(run.steps[: first + 1], lossless().steps, strict=False)
    )
    assert not same(run, lossless())


def test_the_same_seed_is_the_same_run_again_and_another_seed_another():
    one, two, three = (Run(FaultPlan(seed=seed, loss=0.002, **EVERYTHING), 60, chain_of()) for seed in (1, 1, 2))
    assert same(one, two) and same_theta(one, two)
    assert one.driver.lost == two.driver.lost and one.dropped() == two.dropped()
    assert one.driver.lost != three.driver.lost and not same(one, three)


@pytest.mark.parametrize(
    ('faults', 'learns'),
    [
        ({'hit_steps': 0.2, 'loss': 0.2, **EVERYTHING}, True),  # a fifth of the steps lose a fifth of their messages
        ({'loss': 0.002, **HARMLESS}, True),  # about a fifth of the steps lose one message
        ({'loss': 0.2, **EVERYTHING}, False),
    ],  # a fifth of all messages: hardly a step is left whole
    ids=['a fifth of the steps', 'one message in a fifth of the steps', 'a fifth of the messages'],
)
def test_a_long_run_goes_on_whatever_is_lost(faults, learns):
    run = Run(FaultPlan(seed=1, **faults), 500, chain_of(learning__guard=False))  # which would hold learning
    assert len(run.steps) == 500 and run.driver.lost
    assert np.abs([step.actions for step in run.steps]).max() <= 1.0
    assert all(np.isfinite(theta).all() for thetas in run.thetas for theta in thetas)
    updates = run.updates
    whole = 500 - len(run.lost_steps())
    assert (min(updates) > 100) if learns else (whole < 50)
    for step, reports in enumerate(run.reports):
        if not any(report.fault for report in reports):
            assert len(set(run.moved(step))) == 1  # all agents or none
    for engine in run.driver.engines:
        assert engine.mailbox.kept <= 3 * len(engine.neighbours)


@pytest.mark.parametrize('n_agents', [3, 5])
def test_where_messages_are_sent_again_a_fifth_of_them_can_be_lost_and_no_number_changes(n_agents):
    """500 steps: every message is lost with a probability of 0.2, others are late, duplicated and reordered."""
    steps, loop = 500 if n_agents == 3 else 100, chain_of(n_agents)
    plan = FaultPlan(seed=1, loss=0.2, **HARMLESS)
    run = Run(plan, steps, loop, timing={'round_timeout': 500.0, 'resend_after': 3.0})
    assert len(run.driver.lost) > 30 * steps and not run.driver.timeouts and run.updates[0] > 0.4 * steps
    reference = Run(None, steps, loop)
    assert same(run, reference) and same_theta(run, reference)


DUE, DIAMETER = 4, 2
EVALUATION, AVERAGE = DIAMETER + 10, 2  # rounds: whether anyone starts cold, five iterations; V, Q and stage cost
VALID = EVALUATION + AVERAGE + DIAMETER  # until it is agreed that the transition is valid everywhere
UPDATED = VALID + DIAMETER  # until all agents have agreed to make the update
ALL = UPDATED + EVALUATION  # Q(s, a) of the new parameters


@pytest.mark.parametrize(('sender', 'receiver'), [(1, 0), (2, 1)])
def test_a_single_loss_stops_learning_everywhere_but_in_the_last_rounds_of_an_agreement(sender, receiver):
    """An agent that misses a message in round r is silent from r + 1 on, and this silence travels one agent in a round:
    one at d hops from it waits in vain in round r + d. So, with the diameter D of the network, a loss

    - more than D rounds before the end of an agreement stops what is agreed on at all agents,
    - after its end stops it at none,
    - in its last D rounds stops it at those within reach; the others keep the transition, or change their parameters.
      No protocol of finite length can exclude this (the two generals). No agent is left behind for good: parameters are
      each agent's own, and what is replayed later is drawn by steps, of which an agent may lack some.
    """
    loop = chain_of(learning__exploration=False)
    whole = Run(FaultPlan(), DUE + 2, loop)
    assert whole.steps[DUE].rounds == ALL and whole.moved(DUE) == [True] * 3
    tried = 0
    for number in range(ALL):
        run = Run(Chosen((sender, receiver, DUE, number)), DUE + 2, loop)
        if not run.driver.lost:
            continue  # nothing is sent along this edge in this round
        tried += 1
        silenced = np.array([number + abs(receiver - agent) for agent in range(3)])  # in which round
        assert run.learned(DUE) == (silenced >= VALID).tolist(), number
        assert run.moved(DUE) == (silenced >= UPDATED).tolist(), number
        assert [bool(report.fault) for report in run.reports[DUE]] == (silenced < ALL).tolist(), number
        assert not any(report.fault.startswith('no ') for report in run.reports[DUE + 1]), number
        assert not any(report.fault for report in run.reports[DUE + 2]), number
    assert tried >= ALL - 10


@pytest.mark.parametrize(
    ('network', 'settings'),
    [
        (chain(3, 'mallick2025'), {'learning__order': 'second'}),
        (chain(3), {'consensus__averaging': 'metropolis', 'consensus__rounds': 7}),
        (chain(5), {'coordination': 'admm', 'admm__iterations': 2}),
    ],
    ids=['second order', 'more rounds', 'five agents'],
)
def test_an_agent_changes_its_parameters_if_the_silence_reaches_it_after_a_round_that_is_the_same_for_all(
    network, settings
):
    """As above, of whatever rounds the agreement consists: before the last D rounds of it, all agents or none."""
    loop = Loop(network, learning__exploration=False, **settings)
    rounds = Run(FaultPlan(), DUE + 1, loop).steps[DUE].rounds
    silenced = {True: [], False: []}
    for number in range(rounds):
        run = Run(Chosen((1, 0, DUE, number)), DUE, loop)
        for agent, moved in enumerate(run.moved(DUE)):
            silenced[moved].append(number + agent if run.driver.lost else rounds)
    assert max(silenced[False]) < min(silenced[True])


@pytest.mark.parametrize('step', [6, 7])
@pytest.mark.parametrize('number', [0, 5, 17])
@pytest.mark.parametrize('returns', [1, 5])
def test_an_agent_that_dies_in_a_round_and_returns_is_taken_back(step, number, returns):
    """Its step is void for all; so are those in which it is away; from one step after its return all is as before."""
    death = Death(agent=1, step=step, round=number, returns=step + returns)
    run = Run(FaultPlan(deaths=(death,)), 25, chain_of())
    for t, reports in enumerate(run.reports):
        away = step <= t < step + returns
        assert away or t == step + returns or not any(report.fault for report in reports), t
        if step < t < step + returns:
            assert all(report.fault for report in reports) and not any(run.moved(t))
    updates = run.updates
    assert min(updates) >= 8 and np.ptp(updates) <= 1
    assert np.abs([s.actions for s in run.steps]).max() <= 1.0
    assert np.isfinite([s.metrics['td_error'] for s in run.steps[step + returns + 1 :]]).all()


def test_an_agent_that_comes_back_with_nothing_learned_learns_on_with_the_others():
    """A process that was started again: first parameters, no memory of transitions; the others keep theirs."""
    plan = FaultPlan(deaths=(Death(agent=1, step=20, round=3, returns=24),))
    run = Run(plan, 50, chain_of(), restarts=(1, 24))
    assert not any(report.fault for reports in run.reports[25:] for report in reports)
    assert np.isfinite([step.metrics['td_error'] for step in run.steps[25:]]).all()
    others, forgetful, _ = run.updates
    assert forgetful == 13 and others > 20
