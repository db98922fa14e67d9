# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Each fault in every round of a control step, with the engine that the ROS driver uses: messages are lost,
delayed, duplicated or reordered, an agent dies, or deadlines end. Latency is 1 s, so rounds take a second each.

For three kinds of networks: the chain with either order of learning, and a directed one of unequal agents.
"""

from functools import cache

import numpy as np
import pytest
from faulty_run import Loop, Run, same, same_theta
from helpers import DIRECTED

from dmpcrl_ros.core.spanning_tree import SpanningTree
from dmpcrl_ros.systems.linear.chain import description
from dmpcrl_ros.systems.linear.description import from_description
from dmpcrl_ros.testing.fault_plan import Copy, Death, FaultPlan

DUE = 2  # the step that is hit: one in which parameters change
TIMEOUT, PAUSE = 10.0, 2.0  # of a round; between two steps, for the plant
RESENDING = {'round_timeout': 60.0, 'resend_after': 3.0}


def short(described):
    return from_description(described | {'mpc': described['mpc'] | {'horizon': 3}})


MOST = 12  # rounds of reactions in a step in which a neighbour is missed
QUICK = {'coordination': 'admm', 'admm__iterations': 2, 'learning__exploration': False}
REACTIONS = {'coordination': 'reactions', 'stopping__rounds': MOST, 'learning__exploration': False}
LOOPS = {
    'first order': Loop(short(description(3)), **QUICK),
    'second order': Loop(short(description(3, 'mallick2025')), learning__order='second', **QUICK),
    'directed': Loop(short(DIRECTED), **QUICK),
    'reactions': Loop(short(description(3)), **REACTIONS),
    'reactions, directed': Loop(short(DIRECTED), **REACTIONS),
    'reactions, early': Loop(short(description(3)), **REACTIONS | {'stopping__early': True}),
    'prices': Loop(short(description(3)), **REACTIONS | {'coordination': 'prices', 'stopping__rounds': 2 * MOST}),
    'packed ADMM': Loop(short(description(3)), **QUICK | {'coordination': 'packed-admm'}),
}
PACKED = {name for name in LOOPS if name.startswith(('reactions', 'prices', 'packed'))}
GRAPHS = {name: loop.network.graph for name, loop in LOOPS.items()}
each_network = pytest.mark.parametrize('name', LOOPS)


class Hit(FaultPlan):
    """Copies of the messages of one round of the step DUE, when they are sent for the first time.

    Args:
        copies_of: copies that arrive of a message that is hit.
        edge: (sender, receiver) of the only message that is hit; None for all of the round.
        delay_rounds: of copies that are delayed.
    """

    def __init__(self, round, copies_of, edge=None, delay_rounds=2):
        super().__init__(delay_rounds=delay_rounds)
        for name, value in (('hit', (DUE, round, 0)), ('copies_of', copies_of), ('edge', edge)):
            object.__setattr__(self, name, value)

    def copies(self, sender, receiver, step, round, kind, attempt=0):
        hit = (step, round, attempt) == self.hit and self.edge in (None, (sender, receiver))
        return list(self.copies_of) if hit else [Copy()]


def run(name, plan, steps=DUE + 4, **options):
    """A run in which nothing lasts longer than it may, and whose actions and parameters are sound."""
    network = LOOPS[name].network
    found = Run(plan, steps, LOOPS[name], **options)
    assert len(found.steps) == steps
    actions = np.array([step.actions for step in found.steps])
    assert (actions >= network.stacked('input_lower')).all() and (actions <= network.stacked('input_upper')).all()
    assert all(np.isfinite(theta).all() for theta in found.thetas[-1])
    if plan:
        patience = options.get('timing', {}).get('round_timeout', TIMEOUT)
        assert np.diff([-PAUSE, *found.ended]).max() <= PAUSE + 2 * patience + rounds_of(name) + 1
    return found


@cache
def whole(name, steps=DUE + 4):
    """The run without faults, in plain lockstep."""
    return run(name, None, steps)


@cache
def rounds_of(name):
    """Number of rounds of the step DUE."""
    return whole(name).steps[DUE].rounds


@cache
def deciding(name):
    """Number of its rounds until the agents act.

    ADMM: whether anyone starts cold, and two iterations. Reactions: all but whether anyone refuses the update.
    """
    if 'early' in name:
        return reach(name) + 1
    if name in PACKED:
        return rounds_of(name) - GRAPHS[name].diameter
    return GRAPHS[name].diameter + 4


@cache
def reach(name):
    """Rounds that news needs to cross the network."""
    graph = GRAPHS[name]
    return SpanningTree(graph).diameter if name in PACKED else graph.diameter


def has_cycles(name):
    """Whether the agents can work together without an edge, which packed rounds then do."""
    graph = GRAPHS[name]
    return name in PACKED and sum(map(len, graph.neighbours)) >= 2 * graph.n_agents


def edges(name):
    return [(i, j) for i, others in enumerate(GRAPHS[name].neighbours) for j in others]


def unchanged(found, name):
    expected = whole(name, len(found.steps))
    return same(found, expected) and same_theta(found, expected)


def as_before(found, first):
    """Whether no step from `first` on has a fault, every transition is learned from, and all agents continue to
    learn."""
    reports = [report for step in found.reports[first:] for report in step]
    return (
        not any(report.fault for report in reports)
        and all('td_error' in report.metrics for report in reports)
        and all(
            any(found.moved(step)[agent] for step in range(first, len(found.reports)))
            for agent in range(len(found.updates))
        )
    )


def all_or_none(outcomes, diameter):
    """Whether a fault stops all agents if it comes in an early round, and no agent if it comes in a late one. Between
    them, for as many rounds as news needs to cross the network, some may continue: see test_virtual_time.py.

    Args:
        outcomes: flags of the agents that continued as if there was no fault, for a fault in each round.
        diameter: rounds that news needs to cross the network.
    """
    counts, n_agents = [sum(outcome) for outcome in outcomes], len(outcomes[0])
    assert counts[0] == 0 and counts[-1] == n_agents
    first = max(k for k, count in enumerate(counts) if count < n_agents) + 1
    return not any(counts[: max(first - diameter, 0)])


@each_network
def test_the_step_that_is_hit_is_one_of_learning(name):
    """Precondition of the tests below."""
    assert all(GRAPHS[name].neighbours) and rounds_of(name) > deciding(name) + (0 if name in PACKED else 4)
    found = run(name, FaultPlan())
    assert found.moved(DUE) == found.learned(DUE) == [True] * 3 and as_before(found, DUE)


HARMLESS = {
    'a delay within the timeout': ([Copy(delay=1.0)], {'delay_rounds': 7}, {}),
    'two copies': ([Copy(), Copy()], {}, {}),
    'a copy that comes late': ([Copy(), Copy(delay=1.0)], {'delay_rounds': 3}, {}),
    'another order': ([Copy(reordered=True)], {}, {}),
    'a loss, with resending': ([], {}, RESENDING),
    'a long delay, with resending': ([Copy(delay=1.0)], {'delay_rounds': 50}, RESENDING),
}


@each_network
@pytest.mark.parametrize('fault', HARMLESS)
def test_what_costs_only_time_changes_no_number(name, fault):
    """In every round: of all its messages, and of one of them, each in its turn."""
    copies_of, options, timing = HARMLESS[fault]
    for number in range(rounds_of(name)):
        for edge in (None, edges(name)[number % len(edges(name))]):
            found = run(name, Hit(number, copies_of, edge, **options), DUE + 2, timing=timing)
            assert unchanged(found, name), (number, edge)
            assert not found.driver.timeouts
            assert copies_of or edge or found.driver.lost


@each_network
def test_a_single_loss_is_learned_from_by_all_or_by_none_and_is_over_after_a_step(name):
    last = 0
    for edge in edges(name):
        learned, moved = [], []
        for number in range(rounds_of(name)):
            found = run(name, Hit(number, [], edge))
            if not found.driver.lost:  # nothing is sent along this edge in this round
                assert unchanged(found, name)
                continue
            learned.append(found.learned(DUE))
            moved.append(found.moved(DUE))
            assert any(report.fault for report in found.reports[DUE]) and found.driver.timeouts > 0
            assert not any(report.fault.startswith('no ') for report in found.reports[DUE + 1])
            assert as_before(found, DUE + 2)
            last = max(last, number)
        if name in PACKED:  # its last rounds are those in which the agents agree on the update
            moved.append([True] * 3)
            if edge[1] not in SpanningTree(GRAPHS[name]).neighbours[edge[0]]:  # used in these rounds only
                learned.insert(0, [False] * 3)
                moved.insert(0, [False] * 3)
        assert all_or_none(learned, reach(name)) and all_or_none(moved, reach(name))
    assert last == rounds_of(name) - 1


@each_network
def test_a_delay_beyond_the_timeout_is_a_loss(name):
    for number in range(rounds_of(name)):
        edge = edges(name)[number % len(edges(name))]
        late, lost = (run(name, Hit(number, copies_of, edge, delay_rounds=30)) for copies_of in ([Copy(delay=1.0)], []))
        assert same(late, lost) and same_theta(late, lost)
        assert bool(late.dropped()['late']) == bool(lost.driver.lost)


@each_network
@pytest.mark.parametrize('away', [1, 5])
@pytest.mark.parametrize('victim', range(3))
def test_an_agent_that_dies_in_a_round_is_taken_back_when_it_returns(name, victim, away):
    """The steps in which it is away are void for all; from one step after its return all is as before."""
    learned, back = [], DUE + away
    for number in range(rounds_of(name)):
        found = run(name, FaultPlan(deaths=(Death(victim, DUE, number, back),)), back + 4)
        learned.append(found.learned(DUE))
        for step in range(DUE + 1, back):
            assert all(report.fault for report in found.reports[step]) and not any(found.moved(step))
            assert not any(found.learned(step)) and all(act.fallback for act in found.acts[step])
        assert as_before(found, back + 1), number
        assert np.ptp(found.updates) <= 1
    assert all_or_none(learned, reach(name))


@each_network
def test_a_deadline_that_ends_in_a_round_gives_what_was_agreed_by_then_or_the_last_plan(name):
    # rounds until the first iteration of ADMM has ended, or all have heard of all reactions
    agreed = reach(name) + (1 if name in PACKED - {'packed ADMM'} else 2)
    for number in range(rounds_of(name)):
        found = run(name, FaultPlan(), deadlines={DUE: number + 0.5})
        if number >= deciding(name):  # it has acted by then
            assert unchanged(found, name)
            continue
        assert found.acted_at[DUE] == [number + 0.5] * 3
        assert [act.fallback for act in found.acts[DUE]] == [number < agreed] * 3
        assert all(report.fault.startswith(f'out of time in round {number}') for report in found.reports[DUE])
        assert not any(found.learned(DUE)) and not any(found.moved(DUE)) and not found.driver.timeouts
        decided = np.allclose(found.steps[DUE].actions, whole(name).steps[DUE].actions, rtol=0.0, atol=1e-12)
        assert decided == (number >= agreed)  # by the last but one of the local solutions
        assert as_before(found, DUE + 2)


@each_network
def test_with_a_deadline_a_loss_costs_no_more_than_the_time_until_then(name):
    """Agents wait in different rounds when their time is up; one may have acted in time."""
    for number in range(rounds_of(name)):
        edge, deadline = edges(name)[number % len(edges(name))], number + 3.5
        found = run(name, Hit(number, [], edge), deadlines={DUE: deadline})
        if not found.driver.lost or number >= deciding(name):
            assert unchanged(found, name) or same(found, run(name, Hit(number, [], edge)))
            continue
        if name in PACKED and number >= deciding(name) - reach(name):
            continue  # the others have decided and learned before they could hear of it
        assert max(found.acted_at[DUE]) == deadline and not found.driver.timeouts
        assert found.ended[DUE] - found.ended[DUE - 1] <= PAUSE + deadline + 3.0
        assert not any(found.learned(DUE)) and not any(found.moved(DUE))
        assert all('out of time' in report.fault or 'given up' in report.fault for report in found.reports[DUE])
        assert as_before(found, DUE + 2)


LEAVE_OUT = {'leave_out_lost': True}


@each_network
@pytest.mark.parametrize('victim', range(3))
def test_without_a_lost_agent_the_others_decide_and_nobody_learns_until_it_is_back(name, victim):
    """Its loss shows in the step DUE or, if it dies when no other agent needs it any more, in the next one. All agents
    act on what they know meanwhile; from one step after its return all is as before, in a graph with cycles two steps
    later."""
    learned, back = [], DUE + 4
    again = back + 2 * (1 + has_cycles(name))
    for number in range(rounds_of(name)):
        plan = FaultPlan(deaths=(Death(victim, DUE, number, back),))
        found = run(name, plan, again + 2, timing=LEAVE_OUT)
        learned.append(found.learned(DUE))
        for step in range(DUE + 2, back + 1):
            # In a graph with cycles the victim, too, looks for another way, and misses one neighbour after another.
            alone = found.acts[step][victim] if has_cycles(name) else None
            assert not any(act.fallback for act in found.acts[step] if act is not alone), (number, step)
            assert all(report.fault and 'td_error' not in report.metrics for report in found.reports[step])
            assert not any(found.learned(step)) and not any(found.moved(step)), (number, step)
            if step < back:  # no agent waits for it
                most = MOST if name in PACKED and step == DUE + 2 else rounds_of(name)
                assert found.ended[step] - found.ended[step - 1] <= PAUSE + most
        assert not any(found.learned(back + 1)), number  # the transition begins where it is left out
        assert as_before(found, again), number
    assert all_or_none(learned, reach(name))


@each_network
def test_a_neighbour_that_is_left_out_for_one_lost_message_is_back_two_steps_later(name):
    for number in range(rounds_of(name)):
        edge = edges(name)[number % len(edges(name))]
        found = run(name, Hit(number, [], edge), DUE + 5, timing=LEAVE_OUT)
        if found.driver.lost:
            assert not any(found.learned(DUE + 1)), number
            assert as_before(found, DUE + 3), number
        else:
            assert unchanged(found, name)
