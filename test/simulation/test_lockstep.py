# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The lockstep driver: it delivers rounds, and insists that all agents run the same program."""

import numpy as np
import pytest

from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.core.exchange import Act, Exchange
from dmpcrl_ros.simulation.lockstep import ProtocolMismatch, run_lockstep, step_in_lockstep


def exchange(other, message, kind='news', shape=(2,)):
    inbox = yield Exchange(kind, {other: message}, {other: shape})
    return inbox[other]


def silent(result):
    return result
    yield


def test_every_round_delivers_what_was_sent_in_it():
    def program(other, start):
        heard = []
        for k in range(3):
            inbox = yield Exchange('news', {other: np.array([start + k])}, {other: (1,)})
            heard.append(inbox[other].item())
        return heard

    assert run_lockstep([program(1, 10.0), program(0, 20.0)]) == ([[20.0, 21.0, 22.0], [10.0, 11.0, 12.0]], 3)


def test_an_edge_can_be_used_in_one_direction_only():
    def speak():
        yield Exchange('news', {1: np.ones(2)}, {})

    def listen():
        return (yield Exchange('news', {}, {0: (2,)}))[0]

    (_, heard), rounds = run_lockstep([speak(), listen()])
    assert heard.tolist() == [1.0, 1.0] and rounds == 1


def test_programs_without_exchange_need_no_round():
    assert run_lockstep([silent('a'), silent('b')]) == (['a', 'b'], 0)


def test_agents_that_ask_for_different_exchanges_are_stopped():
    with pytest.raises(ProtocolMismatch, match="agent 1 requests 'other', agent 0 'news'"):
        run_lockstep([exchange(1, np.ones(2)), exchange(0, np.ones(2), kind='other')])


def test_a_message_of_the_wrong_shape_is_stopped():
    with pytest.raises(ProtocolMismatch, match=r"agent 1 expects 'news' of shape \(2,\), .* shape \(3,\)"):
        run_lockstep([exchange(1, np.ones(3)), exchange(0, np.ones(2))])


def test_a_message_that_is_not_sent_is_noticed():
    def mute():
        yield Exchange('news', {}, {})

    with pytest.raises(ProtocolMismatch, match="agent 0 expects 'news' .* nothing"):
        run_lockstep([exchange(1, np.ones(2)), mute()])


@pytest.mark.parametrize('short', [0, 1])
def test_an_agent_that_ends_before_the_others_is_noticed(short):
    programs = [exchange(1, np.ones(2)), exchange(0, np.ones(2))]
    programs[short] = silent(None)
    with pytest.raises(ProtocolMismatch, match="1 of 2 agents ended while the others exchange 'news'"):
        run_lockstep(programs)


def test_what_is_optional_is_in_the_inbox_if_it_was_sent():
    def speak():
        yield Exchange('news', {1: np.ones(2)}, {})

    def hear():
        return (yield Exchange('news', {}, {}, optional={0: (2,), 2: (2,)}))

    def mute():
        yield Exchange('news', {}, {})

    (_, heard, _), _ = run_lockstep([speak(), hear(), mute()])
    assert list(heard) == [0] and heard[0].tolist() == [1.0, 1.0]


def step(other, action, before, after):
    """A control step with given numbers of exchanges before and after its action."""
    for _ in range(before):
        yield Exchange('news', {other: np.zeros(1)}, {other: (1,)})
    yield Act(np.array([action]), fallback=action < 0)
    for _ in range(after):
        yield Exchange('news', {other: np.zeros(1)}, {other: (1,)})
    return StepReport(updates=int(10 * action))


@pytest.mark.parametrize('exchanges', [((0, 0), (0, 0)), ((2, 1), (2, 1)), ((3, 0), (1, 2)), ((0, 3), (3, 0))])
def test_the_acts_and_reports_of_a_step_are_those_of_the_agents_wherever_they_act(exchanges):
    one, other = exchanges
    acts, reports, rounds = step_in_lockstep([step(1, 0.5, *one), step(0, -0.5, *other)])
    assert [act.action.tolist() for act in acts] == [[0.5], [-0.5]] and [act.fallback for act in acts] == [False, True]
    assert reports == [StepReport(updates=5), StepReport(updates=-5)] and rounds == sum(one)


def test_a_step_without_an_action_is_noticed():
    with pytest.raises(ProtocolMismatch, match='agent 1 ended its step without an action'):
        step_in_lockstep([step(1, 0.5, 1, 0), exchange(0, np.zeros(1), shape=(1,))])


def test_an_agent_acts_once_in_a_step():
    def program():
        yield Act(np.zeros(1))
        yield Act(np.ones(1))

    with pytest.raises(ProtocolMismatch, match='agent 0 acts twice in one step'):
        step_in_lockstep([program()])
