# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The round engine alone: its messages, the time of the action, interruptions, and its timers."""

import math

import numpy as np
import pytest
from engine_programs import NAMES, RUN, deciding, engine_of, envelope, listening, news, result, sent

from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import GIVEN_UP, OUT_OF_TIME, Acted
from dmpcrl_ros.core.exchange import Act, Exchange, ExchangeTimeout
from dmpcrl_ros.core.mailbox import Envelope

# Rounds


def test_a_round_is_sent_and_the_next_begins_when_all_that_is_expected_is_there():
    engine = engine_of((1, 2))
    events = engine.begin(listening(2, expects=(1, 2)), 0.0)
    assert sent(events) == [(1, 0), (2, 0)] and engine.busy and engine.rounds == 0
    first = events[0].envelope
    assert (first.run, first.step, first.sender, first.data.tolist()) == (RUN, 0, 0, [[5.0]])
    assert engine.receive(envelope(sender=1), 1.0) == []
    assert sent(engine.receive(envelope(sender=2, data=[2.0]), 2.0)) == [(1, 1), (2, 1)] and engine.rounds == 1
    engine.receive(envelope(1, sender=2, data=[4.0]), 3.0)
    events = engine.receive(envelope(1, sender=1, data=[3.0]), 3.0)
    assert result(events) == [{1: 1.0, 2: 2.0}, {1: 3.0, 2: 4.0}] and not engine.busy and engine.rounds == 2


def test_what_came_early_is_used_at_once():
    engine = engine_of()
    for number in (1, 0, 2):
        assert engine.receive(envelope(number, data=[number]), 0.0) == []
    events = engine.begin(listening(3), 1.0)
    assert sent(events) == [(1, 0), (1, 1), (1, 2)] and result(events) == [{1: 0.0}, {1: 1.0}, {1: 2.0}]


def test_a_round_that_expects_nothing_takes_no_time():
    events = engine_of().begin(listening(3, expects=()), 0.0)
    assert result(events) == [{}] * 3


def test_an_edge_can_be_used_in_one_direction_only():
    def speak():
        yield Exchange('news', {1: np.ones(2)}, {})

    def hear():
        return (yield Exchange('news', {}, {1: (2,)}))[1].tolist()

    engine = engine_of()
    assert sent(engine.begin(speak(), 0.0)) == [(1, 0)] and not engine.busy
    engine.open(RUN, 1, 0.0)
    assert engine.begin(hear(), 0.0) == []
    assert result(engine.receive(envelope(step=1, data=[1.0, 2.0]), 1.0)) == [1.0, 2.0]


def test_what_does_not_fit_is_dropped_and_the_right_message_waited_for():
    engine = engine_of()
    engine.begin(listening(1), 0.0)
    wrong = [
        envelope(data=[np.nan]),
        envelope(kind='olds'),
        envelope(data=[1.0, 2.0]),
        envelope(sender=3),
        envelope(run=RUN - 1),
    ]
    assert not any(engine.receive(each, 1.0) for each in wrong)
    assert result(engine.receive(envelope(data=[9.0]), 1.0)) == [{1: 9.0}]
    assert engine.dropped == 5 and set(engine.mailbox.dropped) == {
        'not finite',
        'other kind',
        'wrong size',
        'unknown sender',
        'late',
    }


@pytest.mark.parametrize('shape', [(3,), (2, 2)])
def test_what_was_sent_stays_when_the_sender_changes_its_array(shape):
    array = np.ones(shape)

    def program():
        inbox = yield Exchange('news', {1: array}, {1: shape})
        array[...] = 7.0
        yield Exchange('news', {1: array}, {1: shape})
        return inbox[1]

    engine = engine_of(resend_after=2.0)
    (first,) = engine.begin(program(), 0.0)
    array[...] = 9.0
    rows = np.ones((shape[0], 1 if len(shape) == 1 else shape[1]))
    assert np.array_equal(first.envelope.data, rows) and first.envelope.data.shape == rows.shape
    engine.receive(Envelope(RUN, 0, 0, 1, 'news', rows), 1.0)
    again = engine.tick(3.0)
    assert [event.envelope.data.flat[0] for event in again] == [1.0, 7.0]


# The action


def test_an_action_is_handed_out_before_the_program_goes_on():
    engine, log = engine_of(), []
    events = engine.begin(deciding(0, 1, log), 0.0)
    assert [type(event) for event in events] == [Acted] and events[0].action.tolist() == [0.5]
    assert not events[0].fallback and engine.busy and log == []
    assert engine.wake_at == -math.inf  # as soon as the action is on its way
    engine.receive(envelope(), 1.0)
    assert log == [] and engine.rounds == 0  # a message does not resume it
    events = engine.tick(1.0)
    assert log == ['learning'] and sent(events) == [(1, 0)] and result(events) == 'learned'


def test_the_action_comes_in_the_step_in_which_its_rounds_end():
    engine = engine_of()
    assert sent(engine.begin(deciding(2, 2), 0.0)) == [(1, 0)]
    assert sent(engine.receive(envelope(0), 1.0)) == [(1, 1)]
    (acted,) = engine.receive(envelope(1), 2.0)
    assert isinstance(acted, Acted) and engine.rounds == 2
    assert sent(engine.tick(2.0)) == [(1, 2)]


# Interruptions, and steps without this agent


def test_an_interruption_is_the_reason_that_the_program_is_told():
    engine = engine_of()
    engine.begin(deciding(2, 0), 0.0)
    events = engine.interrupt('the next state has come', 1.0)
    assert [event.fallback for event in events if isinstance(event, Acted)] == [True]
    assert sent(events, GIVEN_UP) == [(1, 0)]
    assert result(engine.tick(1.0)) == 'the next state has come'


def test_an_interruption_between_action_and_learning_is_told_in_the_first_exchange():
    engine = engine_of()
    engine.begin(deciding(0, 2), 0.0)
    assert engine.interrupt('stop', 1.0) == []
    assert result(engine.tick(1.0)) == 'stop'


def test_what_is_there_is_used_before_an_interruption():
    engine = engine_of()
    engine.begin(deciding(0, 2), 0.0)
    engine.receive(envelope(0), 0.5)
    assert engine.interrupt('stop', 1.0) == []
    events = engine.tick(1.0)
    assert sent(events) == [(1, 0), (1, 1)] and result(events) == 'stop'


def test_an_interruption_does_not_reach_into_the_next_step():
    engine = engine_of()
    engine.begin(listening(1), 0.0)
    engine.interrupt('stop', 1.0)
    engine.open(RUN, 1, 2.0)
    engine.begin(listening(1), 2.0)
    assert result(engine.receive(envelope(step=1), 3.0)) == [{1: 1.0}]


def test_an_agent_that_takes_no_part_tells_its_neighbours():
    engine, other = engine_of((1, 2)), RoundEngine(1, (0,), names=NAMES, round_timeout=50.0)
    events = engine.decline(RUN, 4, 0.0)
    assert sent(events, GIVEN_UP) == [(1, 0), (2, 0)] and not engine.busy and engine.wake_at == math.inf
    other.open(RUN, 4, 0.0)
    other.begin(listening(1, expects=(0,)), 0.0)
    assert str(result(other.receive(events[0].envelope, 1.0))[-1]) == 'tank: step given up'


# Time


@pytest.mark.parametrize('seed', range(60))
def test_time_moves_on_with_every_tick(seed):
    """Whatever happens: after tick(wake_at), wake_at lies later, so that no driver is asked for a busy loop; and a
    driver that ticks at no other times than these misses nothing: the program ends."""
    draw = np.random.default_rng(seed)

    def program():
        for number in range(12):
            if number == 5:
                yield Act(np.zeros(1))
            neighbours = draw.permutation([1, 2, 3])
            try:
                yield news(expects=tuple(neighbours[:1]), optional=tuple(neighbours[1 : 1 + draw.integers(3)]))
            except ExchangeTimeout:
                if draw.random() < 0.5:
                    return 'gave up'
        return 'ended'

    engine, now, ticks = (
        engine_of(
            (1, 2, 3),
            round_timeout=draw.choice([1.0, 7.0]),
            resend_after=draw.choice([0.3, 2.0, math.inf]),
            optional_timeout=draw.choice([0.0, 0.5, 3.0]),
            leave_out_lost=bool(draw.integers(2)),
        ),
        0.0,
        0,
    )
    events = engine.begin(program(), now, draw.choice([4.0, math.inf]))
    while engine.busy:
        if draw.random() < 0.6:  # a message comes before the timer
            now = now + draw.random() * min(engine.wake_at - now, 1.0) if engine.wake_at > now else now
            number = engine.rounds + int(draw.integers(-1, 3))
            kind = draw.choice(['news'] * 9 + [GIVEN_UP, OUT_OF_TIME, 'olds'])
            events = engine.receive(envelope(max(number, 0), sender=int(draw.integers(1, 4)), kind=str(kind)), now)
        else:
            now = max(now, engine.wake_at)
            assert now < math.inf
            events, ticks = engine.tick(now), ticks + 1
            acted = any(isinstance(event, Acted) for event in events)
            assert engine.wake_at > now or acted
        assert ticks < 2000
    assert result(events) in ('ended', 'gave up')
    for _ in range(30):
        if engine.wake_at < math.inf:
            now = engine.wake_at
            engine.tick(now)
            assert engine.wake_at > now
    assert engine.wake_at == math.inf  # it has nothing more to send
