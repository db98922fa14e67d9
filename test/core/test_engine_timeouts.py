# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The round engine alone: rounds that are given up, and deadlines."""

import math

import numpy as np
import pytest
from engine_programs import NAMES, RUN, deciding, engine_of, envelope, listening, news, result, sent

from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import GIVEN_UP, OUT_OF_TIME, Acted, Send
from dmpcrl_ros.core.exchange import Act, DeadlineReached, ExchangeTimeout

# Timeouts


def test_a_round_without_an_answer_is_given_up_and_the_neighbours_are_told():
    engine = engine_of((1, 2), round_timeout=5.0)
    engine.begin(listening(3, expects=(1, 2)), 0.0)
    engine.receive(envelope(sender=1), 1.0)
    assert engine.wake_at == 10.0 and engine.tick(9.99) == []  # twice the timeout at the start of a step
    events = engine.tick(10.0)
    (timeout,) = result(events)
    assert str(timeout) == "no 'news' from heater in round 0 within 5 s" and not isinstance(timeout, DeadlineReached)
    assert sent(events, GIVEN_UP) == [(1, 0), (2, 0)] and engine.timeouts == 1 and engine.lost == ['heater']


def test_later_rounds_are_waited_for_as_long_as_the_timeout():
    engine = engine_of(round_timeout=5.0)
    engine.begin(listening(3), 0.0)
    engine.receive(envelope(), 8.0)
    assert engine.wake_at == 13.0


def test_only_the_first_rounds_of_a_step_are_waited_for_twice_as_long():
    engine = engine_of(round_timeout=5.0, patient_rounds=2)
    engine.begin(listening(3), 0.0)
    for number, due in ((0, 10.0), (1, 10.0), (2, 6.5)):
        assert engine.wake_at == due
        engine.receive(envelope(number), 1.0 + number / 2)
    engine.open(RUN, 1, 20.0)
    engine.begin(listening(3), 20.0)
    assert engine.wake_at == 30.0


def test_without_a_timeout_a_round_is_waited_for_for_ever():
    engine = engine_of()
    engine.begin(listening(1), 0.0)
    assert engine.wake_at == math.inf and engine.tick(1e12) == [] and engine.busy


def test_without_names_neighbours_are_called_by_their_numbers():
    engine = RoundEngine(0, (1, 2), round_timeout=1.0)
    engine.open(RUN, 0, 0.0)
    engine.begin(listening(1, expects=(1, 2)), 0.0)
    assert str(result(engine.tick(2.0))[-1]) == "no 'news' from 1, 2 in round 0 within 1 s"
    assert engine.lost == ['1', '2']


def test_a_program_may_exchange_again_after_a_timeout():
    """It has not given up the step: no neighbour gets a notice, and the round is the same one."""

    def stubborn():
        try:
            yield news(expects=(1, 2))
        except ExchangeTimeout:
            inbox = yield news(expects=(1,))
        return inbox[1].item()

    engine = engine_of((1, 2), round_timeout=5.0)
    engine.begin(stubborn(), 0.0)
    events = engine.tick(10.0)
    assert sent(events) == [(1, 0)] and not sent(events, GIVEN_UP) and engine.busy
    assert engine.wake_at == 15.0
    assert result(engine.receive(envelope(data=[3.0]), 12.0)) == 3.0


def test_a_program_that_exchanges_again_for_ever_is_told_each_time():
    def patient():
        for count in range(4):
            try:
                yield news()
            except ExchangeTimeout:
                continue
            return count
        return 'never'

    engine = engine_of(round_timeout=5.0)
    engine.begin(patient(), 0.0)
    assert [engine.tick(time) != [] for time in (10.0, 15.0, 20.0)] == [True] * 3
    events = engine.tick(25.0)
    assert result(events) == 'never' and sent(events, GIVEN_UP) == [(1, 0)] and engine.timeouts == 4


def test_a_neighbour_that_gave_up_is_not_waited_for():
    engine = engine_of((1, 2), round_timeout=5.0)
    engine.begin(listening(3, expects=(1, 2)), 0.0)
    engine.receive(envelope(sender=2), 0.5)
    events = engine.receive(envelope(kind=GIVEN_UP, data=()), 1.0)
    (timeout,) = result(events)
    assert str(timeout) == 'valve: step given up' and type(timeout) is ExchangeTimeout
    assert sent(events, GIVEN_UP) == [(1, 0), (2, 0)] and engine.timeouts == 0


def test_what_a_neighbour_sent_before_it_gave_up_is_used_first():
    engine = engine_of(round_timeout=5.0)
    engine.begin(listening(3), 0.0)
    engine.receive(envelope(1, data=[2.0]), 1.0)
    assert engine.receive(envelope(2, kind=GIVEN_UP, data=()), 2.0) != []  # round 0 will not come
    engine = engine_of(round_timeout=5.0)
    engine.receive(envelope(0), 0.0)
    engine.receive(envelope(1, data=[2.0]), 0.0)
    engine.receive(envelope(2, kind=GIVEN_UP, data=()), 0.0)
    *heard, timeout = result(engine.begin(listening(3), 1.0))
    assert heard == [{1: 1.0}, {1: 2.0}] and str(timeout) == 'valve: step given up'


@pytest.mark.parametrize('place', [{'step': 1}, {'run': RUN - 1}, {'run': RUN + 1, 'step': 0}])
def test_a_neighbour_that_gave_up_another_step_is_waited_for(place):
    engine = engine_of(step=2)
    engine.begin(listening(1), 0.0)
    assert engine.receive(envelope(kind=GIVEN_UP, data=(), **({'step': 2} | place)), 1.0) == [] and engine.busy


# Deadlines


def test_a_deadline_before_an_agreement_makes_the_neighbours_fall_back():
    def undecided():
        try:
            yield news()
        except DeadlineReached:
            yield Act(np.zeros(1), fallback=True)
        return 'fell back'

    engine = engine_of(round_timeout=50.0)
    engine.begin(undecided(), 0.0, deadline=3.0)
    assert engine.wake_at == 3.0 and engine.tick(2.9) == []
    events = engine.tick(3.0)
    assert [event.fallback for event in events if isinstance(event, Acted)] == [True]
    assert sent(events, GIVEN_UP) == [(1, 0)] and not sent(events, OUT_OF_TIME)
    assert engine.timeouts == 0 and engine.lost == ['valve']  # which was silent in the whole step


def test_a_deadline_after_an_agreement_lets_the_neighbours_act_on_what_they_have():
    one, other, now = engine_of(round_timeout=50.0), RoundEngine(1, (0,), names=NAMES, round_timeout=50.0), 4.0
    other.open(RUN, 0, 0.0)
    one.begin(deciding(5, 5), 0.0, deadline=now)
    other.begin(deciding(5, 5, other=0), 0.0)  # without a deadline of its own
    one.receive(envelope(0), 1.0)
    other.receive(envelope(0, sender=0), 1.0)
    events = one.tick(now)
    (notice,) = [event.envelope for event in events if isinstance(event, Send)]
    assert notice.kind == OUT_OF_TIME and [event.fallback for event in events if isinstance(event, Acted)] == [False]
    events = other.receive(notice, now + 1.0)
    assert [event.fallback for event in events if isinstance(event, Acted)] == [False]
    assert sent(events, OUT_OF_TIME) == [(0, 1)]  # and it notifies its own neighbours
    assert result(other.tick(6.0)) == 'tank: out of time'
    assert result(one.tick(6.0)) == 'out of time in round 1'  # it has sent messages: it is not the cause


def test_a_deadline_says_who_has_been_silent_in_the_whole_step():
    engine = engine_of((1, 2))
    engine.begin(listening(2, expects=(1, 2)), 0.0, deadline=3.0)
    engine.receive(envelope(sender=2), 1.0)
    assert str(result(engine.tick(3.0))[-1]) == 'out of time in round 0: nothing from valve'
    assert engine.lost == ['valve']


def test_what_is_there_when_the_deadline_comes_is_too_late():
    engine = engine_of()
    engine.begin(listening(1), 0.0, deadline=3.0)
    (timeout,) = result(engine.receive(envelope(), 3.0))
    assert isinstance(timeout, DeadlineReached)


def test_once_an_agent_has_acted_there_is_no_deadline():
    engine = engine_of(round_timeout=5.0)
    engine.begin(deciding(0, 1), 0.0, deadline=3.0)
    assert sent(engine.tick(0.0)) == [(1, 0)]
    assert engine.tick(4.0) == [] and engine.wake_at == 10.0
    assert result(engine.receive(envelope(), 9.0)) == 'learned'


def test_a_deadline_that_is_past_at_the_start_is_told_at_once():
    events = engine_of().begin(listening(1), 5.0, deadline=3.0)
    assert isinstance(result(events)[-1], DeadlineReached)


# Timeouts that are changed


def test_other_timeouts_hold_from_the_next_round_on():
    engine = engine_of(round_timeout=5.0, resend_after=2.0, patient_rounds=0)
    engine.begin(listening(3), 0.0)
    engine.set_timeouts(round_timeout=0.5, resend_after=0.25, optional_timeout=1.0)
    assert engine.wake_at == 2.0  # of the round that is under way
    engine.receive(envelope(0), 1.0)
    assert engine.wake_at == 1.25 and sent(engine.tick(1.25)) and engine.wake_at == 1.5
    assert 'within 0.5 s' in str(result(engine.tick(1.5))[-1])


def test_optional_senders_are_waited_for_as_long_as_was_set_last():
    engine = engine_of((1, 2), optional_timeout=5.0)
    engine.set_timeouts(round_timeout=math.inf, resend_after=math.inf, optional_timeout=0.5)
    engine.begin(listening(1, optional=(2,)), 0.0)
    engine.receive(envelope(sender=1), 0.1)
    assert engine.busy and result(engine.tick(0.5)) == [{1: 1.0}]
