# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Agreement on cut edges: every agent uses a change in the same step."""

import numpy as np

from dmpcrl_ros.core.graph import path_graph
from dmpcrl_ros.core.link_state import LinkState

RING = [[1, 3], [0, 2], [1, 3], [0, 2]]


def flood(agents, silent=()):
    """Pass messages on until none is new; silent agents neither send nor receive."""
    waiting = [(i, j) for i in agents for j in agents[i].audience]
    while waiting:
        sender, receiver = waiting.pop()
        if not {sender, receiver} & set(silent):
            told = agents[receiver].take(sender, agents[sender].message)
            waiting += [(receiver, k) for k in told]


def begin(agents, step, unheard):
    for i, agent in agents.items():
        agent.begin_step(1, step, frozenset(unheard.get(i, ())))
    return [agent.cut for agent in agents.values()]


def test_a_loss_of_two_steps_and_a_return_are_used_two_steps_later_by_all():
    agents = {i: LinkState(i, RING) for i in range(4)}
    lost = {0: [1], 2: [1]}
    cuts = []
    for step in range(12):
        away = 3 <= step < 7
        cuts.append(begin(agents, step, (lost | {1: [0, 2]}) if away else {}))
        flood(agents, [1] if away else [])
    for step, cut in enumerate(cuts):
        others = [cut[0], cut[2], cut[3]]
        assert others == [frozenset({(0, 1), (1, 2)}) if 6 <= step < 9 else frozenset()] * 3, step
    assert cuts[9:] == [[frozenset()] * 4] * 3
    assert not any(agent.audience for agent in agents.values())


def test_parts_that_notice_a_loss_in_different_steps_change_in_the_same_steps():
    """News of the other part arrives along the edge 2 - 3, which no tree of the whole ring needs."""
    agents = {i: LinkState(i, RING) for i in range(4)}
    for step in range(9):
        cut = begin(agents, step, {i: [1] for i, since in ((0, 2), (2, 3)) if step >= since})
        flood(agents, [1])
        assert cut[0] == cut[2] == cut[3], step
    assert cut[0] == {(0, 1), (1, 2)}


def test_an_agent_that_starts_again_learns_what_is_cut_and_takes_back_what_it_said_before():
    agents = {i: LinkState(i, RING) for i in range(4)}
    for step in range(5):
        begin(agents, step, {0: [1], 1: [0, 2], 2: [1]})
        flood(agents)  # the links work again, but the engines have not heard of it
    agents[1] = LinkState(1, RING)
    cuts = []
    for step in range(5, 10):
        cuts.append(begin(agents, step, {}))
        flood(agents)
    assert cuts[0][1] == frozenset() and cuts[1] == [{(0, 1), (1, 2)}] * 4  # in its first step it does not know yet
    assert cuts[-1] == [frozenset()] * 4


def test_an_agent_that_missed_a_return_is_told_by_the_first_that_it_asks():
    agents = {i: LinkState(i, RING) for i in range(4)}
    for step in range(20):
        cuts = begin(agents, step, {0: [1], 2: [1]} if 2 <= step < 8 else {})
        flood(agents, [3] if 8 <= step < 13 else [1] if 2 <= step < 8 else [])
        if 10 <= step < 13:
            assert cuts[0] == cuts[1] == cuts[2] == frozenset() and cuts[3] == {(0, 1), (1, 2)}
    assert cuts == [frozenset()] * 4 and not any(agent.audience for agent in agents.values())


def test_news_of_a_step_to_come_are_not_taken():
    agent = LinkState(0, RING)
    agent.begin_step(1, 2, frozenset())
    assert agent.take(1, np.column_stack([np.full(8, 9.0), np.ones(8)])) == []
    agent.begin_step(1, 12, frozenset())
    assert agent.cut == frozenset()


def test_a_message_that_does_not_fit_is_named():
    agent = LinkState(0, RING)
    agent.begin_step(5, 2, frozenset())
    message = agent.message
    assert agent.misfit(5, 1, message) == ''
    assert agent.misfit(4, 1, message) == 'late' and agent.misfit(5, 2, message) == 'unknown sender'
    assert agent.misfit(5, 1, message[:, :1]) == agent.misfit(5, 1, message[:7]) == 'wrong size'
    assert agent.misfit(5, 1, message * np.nan) == 'not finite'


def test_a_new_run_or_an_earlier_step_begins_without_cuts():
    for place in ((2, 0), (1, 3)):
        agent = LinkState(0, RING)
        for step in range(5, 12):
            agent.begin_step(1, step, frozenset([1]))
        assert agent.cut == {(0, 1)}
        agent.begin_step(*place, frozenset())
        assert agent.cut == frozenset() and not agent.audience


def test_a_step_that_is_opened_twice_counts_once():
    agent = LinkState(0, RING)
    for step in (3, 3, 4, 5, 6, 7):
        agent.begin_step(1, step, frozenset([1]) if step == 3 else frozenset())
        assert agent.cut == frozenset()


def test_in_a_tree_no_edge_replaces_another():
    chain = LinkState.of_cycles(0, path_graph(3).neighbours)
    for step in range(9):
        chain.begin_step(1, step, frozenset([1]))
        assert not chain.audience and chain.cut == frozenset()


def test_a_neighbour_that_is_not_heard_for_one_step_is_not_cut_off():
    agents = {i: LinkState(i, RING) for i in range(4)}
    for step in range(8):
        assert begin(agents, step, {0: [1]} if step == 2 else {}) == [frozenset()] * 4
        flood(agents)
