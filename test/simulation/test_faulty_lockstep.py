"""Agents whose messages are lost, late, duplicated, reordered or corrupted: nobody hangs, and nothing wrong is learned."""
from collections import Counter
from functools import cache

import numpy as np
import pytest
from helpers import directed_network

from dmpcrl_ros.core.exchange import Exchange, ExchangeTimeout
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.faulty_lockstep import FaultyLockstep
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.testing.fault_plan import Copy, Death, FaultPlan

HARMLESS = {'duplication': 0.3, 'reordering': 0.3, 'delay_probability': 0.3, 'delay_rounds': 2}
EVERYTHING = HARMLESS | {'corruption': 0.05}


class Run:
    """A closed loop through a plan of faults (in plain lockstep without one), with theta of all agents after each step.
    `restarts`: an agent that forgets everything, and at which step."""

    def __init__(self, plan, steps, network=None, patience=10, restarts=None, resends=0, **settings):
        network, self._restarts = network or chain(3), restarts
        self.driver = FaultyLockstep(plan, network.graph.neighbours, patience, resends) if plan else None
        self.loop = ClosedLoop(network, Settings(**({'admm_iterations': 5} | settings)),
                               **({'drive': self._watched} if plan else {}))
        self.reports, self.thetas = [], [self._theta()]
        self.steps = list(self.loop.run(steps))

    def _watched(self, programs):
        if self._restarts and len(self.reports) == self._restarts[1]:
            self.loop.agents[self._restarts[0]].reset()
        results, rounds = self.driver(programs)
        self.reports.append([report for _, report in results])
        self.thetas.append(self._theta())
        return results, rounds

    def _theta(self):
        return [agent.mpc.theta.copy() for agent in self.loop.agents]

    def numbers(self, steps=None):
        return np.array([np.r_[s.step, s.states, s.actions, s.costs, s.td_error, s.explored, s.rounds]
                         for s in self.steps[:steps]])

    def moved(self, step):
        """Which agents have another theta after a step than before."""
        return [not np.array_equal(a, b) for a, b in zip(self.thetas[step], self.thetas[step + 1], strict=True)]

    def dropped(self):
        return sum((mailbox.dropped for mailbox in self.driver.mailboxes), Counter())

    def lost_steps(self):
        return {step for _, _, step, _, _ in self.driver.lost}


def same(one, other, steps=None):
    return np.array_equal(one.numbers(steps), other.numbers(steps), equal_nan=True)


@cache
def lossless(steps=60):
    return Run(None, steps)


def same_theta(one, other):
    return all(map(np.array_equal, one._theta(), other._theta()))


def exchange(other, *messages):
    """What was heard in each round, or that nothing was."""
    heard = []
    for message in messages:
        try:
            inbox = yield Exchange('news', {other: np.array([message])}, {other: (1,)})
        except ExchangeTimeout:
            return [*heard, 'timeout']
        heard.append(inbox[other].item())
    return heard


class Chosen(FaultPlan):
    """Loses the messages it is told to."""

    def __init__(self, *lost):
        super().__init__()
        object.__setattr__(self, 'lost', lost)

    def copies(self, sender, receiver, step, round, kind, attempt=0):
        return [] if (sender, receiver, step, round) in self.lost else [Copy()]


def test_who_waits_in_vain_is_told_and_stops_those_that_wait_for_it():
    """Agent 0 misses round 1. Agent 1 has heard of it in round 1, and waits in round 2 for what 0 never sends."""
    driver = FaultyLockstep(Chosen((1, 0, 0, 1)), [[1], [0]], round_timeout=4)
    results, _ = driver([exchange(1, 10.0, 11.0, 12.0), exchange(0, 20.0, 21.0, 22.0)])
    assert results == [[20.0, 'timeout'], [10.0, 11.0, 'timeout']]
    assert driver.timeouts == 2 and driver.lost == [(1, 0, 0, 1, 'news')]
    results, _ = driver([exchange(1, 10.0, 11.0), exchange(0, 20.0, 21.0)])
    assert results == [[20.0, 21.0], [10.0, 11.0]]  # together again in the next step


def test_what_comes_after_the_patience_of_its_receiver_is_lost():
    plan = FaultPlan(delay_probability=1.0, delay_rounds=50)
    results, _ = FaultyLockstep(plan, [[1], [0]], round_timeout=2)([exchange(1, 1.0, 2.0), exchange(0, 3.0, 4.0)])
    assert results == [['timeout'], ['timeout']]


@pytest.mark.parametrize(('network', 'settings'), [
    (chain(3), {}), (chain(3, '000'), {'variant': '000', 'learner': 'second-order'}), (directed_network(), {}),
    (chain(4), {'agents': 4, 'admm_tolerance': 1e-3})], ids=['001', 'second order', 'directed', 'residual stop'])
@pytest.mark.parametrize('faults', [{}, HARMLESS], ids=['no faults', 'late, duplicated, reordered'])
def test_without_a_loss_the_numbers_are_those_without_faults(network, settings, faults):
    run, reference = (Run(plan, 40, network, 40, **settings) for plan in (FaultPlan(seed=2, **faults), None))
    assert same(run, reference) and same_theta(run, reference)
    assert run.loop.agents[0].updates > 10 and not run.driver.timeouts
    assert set(run.dropped()) <= ({'duplicate', 'late'} if faults else set())
    assert bool(run.dropped()['duplicate'] + run.dropped()['late']) == bool(faults)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_until_the_first_loss_the_numbers_are_those_without_faults(seed):
    run = Run(FaultPlan(seed=seed, loss=5e-4, **HARMLESS), 60, patience=40)
    first = min(run.lost_steps())
    assert 5 < first < 50
    assert same(run, lossless(), first - 1)       # transition first - 1 ends in the step of the loss, and is void
    assert all(np.array_equal(one.states, other.states) for one, other in
               zip(run.steps[:first + 1], lossless().steps, strict=False))
    assert not same(run, lossless())


def test_the_same_seed_is_the_same_run_again_and_another_seed_another():
    one, two, three = (Run(FaultPlan(seed=seed, loss=0.002, **EVERYTHING), 60) for seed in (1, 1, 2))
    assert same(one, two) and same_theta(one, two)
    assert one.driver.lost == two.driver.lost and one.dropped() == two.dropped()
    assert one.driver.lost != three.driver.lost and not same(one, three)


@pytest.mark.parametrize(('faults', 'learns'), [
    ({'hit_steps': 0.2, 'loss': 0.2, **EVERYTHING}, True),    # a fifth of the steps lose a fifth of their messages
    ({'loss': 0.002, **HARMLESS}, True),                      # about a fifth of the steps lose one message
    ({'loss': 0.2, **EVERYTHING}, False)],                    # a fifth of all messages: hardly a step is left whole
    ids=['a fifth of the steps', 'one message in a fifth of the steps', 'a fifth of the messages'])
def test_a_long_run_goes_on_whatever_is_lost(faults, learns):
    run = Run(FaultPlan(seed=1, **faults), 500)
    assert len(run.steps) == 500 and run.driver.lost
    assert np.abs([step.actions for step in run.steps]).max() <= 1.0
    assert all(np.isfinite(theta).all() for thetas in run.thetas for theta in thetas)
    updates = [agent.updates for agent in run.loop.agents]
    whole = 500 - len(run.lost_steps())
    assert (min(updates) > 100) if learns else (whole < 50)
    for step, reports in enumerate(run.reports):
        if not any(report.fault for report in reports):
            assert len(set(run.moved(step))) == 1               # all agents or none
    assert max(len(kept) for mailbox in run.driver.mailboxes for kept in mailbox._waiting.values()) <= 3


@pytest.mark.parametrize(('network', 'settings'), [(chain(3), {}), (chain(5), {'agents': 5})],
                         ids=['three', 'five'])
def test_where_messages_are_sent_again_a_fifth_of_them_can_be_lost_and_no_number_changes(network, settings):
    """500 steps: every message is lost with a probability of 0.2, others are late, duplicated and reordered."""
    steps = 500 if network.n_agents == 3 else 100
    plan = FaultPlan(seed=1, loss=0.2, **HARMLESS)
    run = Run(plan, steps, network, patience=500, resends=3, **settings)
    assert len(run.driver.lost) > 30 * steps and not run.driver.timeouts and run.loop.agents[0].updates > 0.4 * steps
    reference = Run(None, steps, network, **settings)
    assert same(run, reference) and same_theta(run, reference)


DUE, DIAMETER = 4, 2
EVALUATION, AVERAGE = DIAMETER + 10, 2        # rounds: whether anyone starts cold, five iterations; V, Q and stage cost
VALID = EVALUATION + AVERAGE + DIAMETER       # until it is agreed that the transition is valid everywhere
UPDATED = VALID + DIAMETER                    # until it is agreed that everybody can make the update
ALL = UPDATED + EVALUATION                    # Q(s, a) of the new parameters


@pytest.mark.parametrize(('sender', 'receiver'), [(1, 0), (2, 1)])
def test_a_single_loss_stops_learning_everywhere_but_in_the_last_rounds_of_an_agreement(sender, receiver):
    """Who misses a message in round r is silent from r + 1 on, and this silence travels one agent in a round: an agent
    at d hops from it waits in vain in round r + d. So, with the diameter D of the network, a loss

    - more than D rounds before the end of an agreement stops what is agreed on at all agents,
    - after its end stops it at none,
    - in its last D rounds stops it at those within reach; the others keep the transition, or change their parameters.
      No protocol of finite length can exclude this (the two generals). Nobody is left behind for good: parameters are
      each agent's own, and what is replayed later is drawn by steps, of which an agent may lack some.
    """
    whole = Run(FaultPlan(), DUE + 2, exploration=False)
    assert whole.steps[DUE].rounds == ALL and whole.moved(DUE) == [True] * 3
    tried = 0
    for number in range(ALL):
        run = Run(Chosen((sender, receiver, DUE, number)), DUE + 2, exploration=False)
        if not run.driver.lost:
            continue  # nothing is sent along this edge in this round
        tried += 1
        silenced = np.array([number + abs(receiver - agent) for agent in range(3)])  # in which round
        learned = [DUE in agent.learner._replay._items for agent in run.loop.agents]
        assert learned == (silenced >= VALID).tolist(), number
        assert run.moved(DUE) == (silenced >= UPDATED).tolist(), number
        assert [bool(report.fault) for report in run.reports[DUE]] == (silenced < ALL).tolist(), number
        assert not any(report.fault.startswith('no ') for report in run.reports[DUE + 1]), number
        assert not any(report.fault for report in run.reports[DUE + 2]), number
    assert tried >= ALL - 10


@pytest.mark.parametrize(('network', 'settings'), [
    (chain(3, '000'), {'variant': '000', 'learner': 'second-order'}),
    (chain(3), {'consensus': 'metropolis', 'consensus_rounds': 7}),
    (chain(5), {'agents': 5, 'admm_iterations': 2})], ids=['second order', 'more rounds', 'five agents'])
def test_an_agent_changes_its_parameters_if_the_silence_reaches_it_after_a_round_that_is_the_same_for_all(
        network, settings):
    """As above, of whatever rounds the agreement consists: before the last D rounds of it, all agents or none."""
    rounds = Run(FaultPlan(), DUE + 1, network, exploration=False, **settings).steps[DUE].rounds
    silenced = {True: [], False: []}
    for number in range(rounds):
        run = Run(Chosen((1, 0, DUE, number)), DUE, network, exploration=False, **settings)
        for agent, moved in enumerate(run.moved(DUE)):
            silenced[moved].append(number + agent if run.driver.lost else rounds)
    assert max(silenced[False]) < min(silenced[True])


@pytest.mark.parametrize('step', [6, 7])
@pytest.mark.parametrize('number', [0, 5, 17])
@pytest.mark.parametrize('returns', [1, 5])
def test_an_agent_that_dies_in_a_round_and_returns_is_taken_back(step, number, returns):
    """Its step is void for all; so are those in which it is away; from one step after its return all is as before."""
    death = Death(agent=1, step=step, round=number, returns=step + returns)
    run = Run(FaultPlan(deaths=(death,)), 25)
    for t, reports in enumerate(run.reports):
        away = step <= t < step + returns
        assert away or t == step + returns or not any(report.fault for report in reports), t
        if step < t < step + returns:
            assert all(report.fault for report in reports) and not any(run.moved(t))
    updates = [agent.updates for agent in run.loop.agents]
    assert min(updates) >= 8 and np.ptp(updates) <= 1
    assert np.abs([s.actions for s in run.steps]).max() <= 1.0
    assert np.isfinite([s.td_error for s in run.steps[step + returns + 1:]]).all()


def test_an_agent_that_comes_back_with_nothing_learned_learns_on_with_the_others():
    """A process that was started again: first parameters, no memory of transitions; the others keep theirs."""
    run = Run(FaultPlan(deaths=(Death(agent=1, step=20, round=3, returns=24),)), 50, restarts=(1, 24))
    assert not any(report.fault for reports in run.reports[25:] for report in reports)
    assert np.isfinite([step.td_error for step in run.steps[25:]]).all()
    forgetful, others = run.loop.agents[1].updates, run.loop.agents[0].updates
    assert forgetful == 13 and others > 20
