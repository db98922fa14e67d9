# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The round engine alone: resending, optional senders, and lost neighbours."""

import math

import numpy as np
import pytest
from engine_programs import RUN, engine_of, envelope, listening, news, result, sent

from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import GIVEN_UP, LINKS, Done, Send
from dmpcrl_ros.core.exchange import Act, Exchange, ExchangeTimeout, ProgramError
from dmpcrl_ros.core.link_state import LinkState

# Resending


def test_without_progress_a_neighbour_is_sent_again_what_it_may_lack():
    """A neighbour that sends in a round has received the messages of those before."""
    engine = engine_of(resend_after=2.0)
    engine.begin(listening(9), 0.0)
    assert engine.wake_at == 2.0 and sent(engine.tick(2.0)) == [(1, 0)]
    engine.receive(envelope(0), 3.0)
    assert engine.wake_at == 5.0  # progress begins the wait anew
    engine.receive(envelope(1), 4.0)
    assert engine.tick(5.9) == [] and sent(engine.tick(6.0)) == [(1, 1), (1, 2)]


def test_a_round_is_sent_again_twenty_times_at_most():
    engine = engine_of(resend_after=2.0)
    engine.begin(listening(9), 0.0)
    times = 0
    while engine.wake_at < math.inf:
        times += len(sent(engine.tick(engine.wake_at)))
    assert times == 20
    engine.receive(envelope(0), 100.0)
    assert engine.wake_at == 102.0  # the next round has its own


def test_an_agent_that_has_ended_its_step_still_sends_its_last_rounds_again():
    """A neighbour may lack them until its first message of the next step."""
    engine = engine_of(resend_after=2.0)
    engine.begin(listening(3), 0.0)
    for number in range(3):
        engine.receive(envelope(number), 1.0)
    assert not engine.busy and engine.wake_at == 3.0 and sent(engine.tick(3.0)) == [(1, 2)]
    engine.receive(envelope(0, step=1), 4.0)
    assert engine.tick(5.0) == []


def test_each_neighbour_is_sent_again_what_it_may_lack_however_far_it_is_behind():
    """Agent 1 only listens in rounds 1 to 3, agent 2 answers: on an edge of one direction one can be far ahead."""

    def program():
        yield news(expects=(1, 2))
        for _ in range(3):
            yield Exchange('news', {1: np.ones(1), 2: np.ones(1)}, {2: (1,)})

    engine = engine_of((1, 2), resend_after=2.0)
    engine.begin(program(), 0.0)
    engine.receive(envelope(0, sender=1), 1.0)
    for number in range(3):
        engine.receive(envelope(number, sender=2), 1.0)
    assert engine.rounds == 3 and sent(engine.tick(3.0)) == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3)]
    engine.receive(envelope(2, sender=1), 4.0)
    assert sent(engine.tick(5.0)) == [(1, 2), (1, 3), (2, 2), (2, 3)]


def test_what_is_kept_for_a_neighbour_that_never_answers_is_bounded():
    def program():
        for _ in range(1000):
            yield Exchange('news', {1: np.ones(1)}, {})

    engine = engine_of(resend_after=2.0)
    engine.begin(program(), 0.0)
    assert sent(engine.tick(2.0)) == [(1, number) for number in range(984, 1000)]


# Optional senders


def optional_engine(**options):
    engine = engine_of((1, 2, 3), optional_timeout=4.0, **options)
    engine.begin(listening(2, expects=(1,), optional=(2, 3)), 0.0)
    return engine


def test_optional_senders_are_in_the_inbox_if_they_come_in_time():
    engine = optional_engine()
    for sender in (1, 2):
        assert engine.receive(envelope(sender=sender), 1.0) == []
    assert engine.wake_at == 4.0
    assert sent(engine.receive(envelope(sender=3, data=[7.0]), 3.0)) == [(1, 1), (2, 1), (3, 1)]
    for sender in (1, 2, 3):
        events = engine.receive(envelope(1, sender=sender), 3.5)
    assert result(events) == [{1: 1.0, 2: 1.0, 3: 7.0}, {1: 1.0, 2: 1.0, 3: 1.0}]


def test_a_round_goes_on_without_optional_senders_that_do_not_come_in_time():
    engine = optional_engine(round_timeout=50.0)
    engine.receive(envelope(sender=1), 1.0)
    engine.receive(envelope(sender=3, data=[7.0]), 1.0)
    assert engine.tick(3.9) == [] and sent(engine.tick(4.0)) == [(1, 1), (2, 1), (3, 1)]
    assert engine.receive(envelope(0, sender=2), 4.5) == []  # too late: of no use any more
    assert engine.dropped == 1 and engine.mailbox.dropped == {'late': 1}
    engine.receive(envelope(1, sender=1), 5.0)
    assert engine.wake_at == 8.0  # optional senders of round 1
    assert result(engine.tick(8.0)) == [{1: 1.0, 3: 7.0}, {1: 1.0}]
    assert engine.timeouts == 0 and engine.lost == []


def test_required_senders_are_waited_for_beyond_the_time_of_optional_ones():
    engine = optional_engine(round_timeout=20.0)
    assert engine.tick(4.0) == [] and engine.wake_at == 40.0  # no further wait for the optional ones
    assert engine.tick(5.0) == []
    engine.receive(envelope(sender=2), 6.0)  # they are in time as long as others are missing
    assert sent(engine.receive(envelope(sender=1), 7.0)) == [(1, 1), (2, 1), (3, 1)]
    engine.tick(11.0)
    *heard, timeout = result(engine.tick(engine.wake_at))
    assert heard == [{1: 1.0, 2: 1.0}] and "no 'news' from valve in round 1" in str(timeout)


def test_an_optional_sender_that_never_comes_is_never_lost():
    engine = engine_of((1,), optional_timeout=4.0, round_timeout=2.0)
    engine.begin(listening(2, expects=(), optional=(1,)), 0.0)
    assert engine.tick(4.0) and result(engine.tick(8.0)) == [{}, {}]
    assert engine.timeouts == 0 and engine.lost == []


def test_a_wrong_message_of_an_optional_sender_is_dropped():
    engine = engine_of((1, 2), optional_timeout=4.0)
    engine.begin(listening(1, expects=(1,), optional=(2,)), 0.0)
    engine.receive(envelope(sender=2, data=[1.0, 2.0]), 1.0)
    engine.receive(envelope(sender=1), 1.0)
    assert engine.mailbox.dropped == {'wrong size': 1} and engine.busy
    assert result(engine.receive(envelope(sender=2, data=[3.0]), 2.0)) == [{1: 1.0, 2: 3.0}]


# Lost neighbours


def lose(engine, now=0.0, step=0):
    """A step that is given up because nothing comes from the valve."""
    engine.begin(listening(1, expects=tuple(engine.neighbours)), now)
    for sender in engine.neighbours[1:]:
        engine.receive(envelope(sender=sender, step=step), now + 1.0)
    return result(engine.tick(now + 10.0))


def test_a_lost_neighbour_is_waited_for_again_in_the_next_step():
    engine = engine_of((1, 2), round_timeout=5.0)
    lose(engine)
    assert engine.lost == ['valve'] and not engine.left_out
    engine.open(RUN, 1, 11.0)
    engine.begin(listening(1, expects=(1, 2)), 11.0)
    engine.receive(envelope(sender=2, step=1), 12.0)
    assert engine.busy and not engine.left_out
    assert result(engine.receive(envelope(sender=1, step=1), 13.0)) == [{1: 1.0, 2: 1.0}] and engine.lost == []


def test_a_lost_neighbour_is_left_out_from_the_next_step_on_until_it_is_heard():
    engine = engine_of((1, 2), round_timeout=5.0, leave_out_lost=True)
    lose(engine)
    assert not engine.left_out  # the step itself is given up
    engine.open(RUN, 1, 11.0)
    assert engine.left_out == {1} and engine.lost == ['valve']
    assert sent(engine.begin(listening(2, expects=(1, 2)), 11.0)) == [(1, 0), (2, 0)]  # may receive but not send
    assert sent(engine.receive(envelope(sender=2, step=1), 12.0)) == [(1, 1), (2, 1)]
    engine.receive(envelope(1, sender=1, step=1), 13.0)  # it is back
    assert engine.left_out == {1} and engine.lost == []  # but a step ends as it began
    assert result(engine.receive(envelope(1, sender=2, step=1), 13.0)) == [{2: 1.0}, {2: 1.0}]
    engine.open(RUN, 2, 14.0)
    assert not engine.left_out
    engine.begin(listening(1, expects=(1, 2)), 14.0)
    engine.receive(envelope(sender=2, step=2), 15.0)
    assert engine.busy and engine.timeouts == 1


def test_a_late_message_does_not_bring_a_lost_neighbour_back():
    engine = engine_of((1, 2), round_timeout=5.0, leave_out_lost=True)
    lose(engine)
    engine.open(RUN, 1, 11.0)
    engine.receive(envelope(sender=1, step=0), 12.0)
    assert engine.lost == ['valve']
    engine.receive(envelope(sender=1, step=7), 12.0)  # of a step to come: it is there
    assert engine.lost == []


def test_a_neighbour_that_gave_up_without_a_word_is_lost_and_one_that_took_part_is_not():
    for spoke in (False, True):
        engine = engine_of((1,), round_timeout=5.0, leave_out_lost=True)
        engine.begin(listening(2), 0.0)
        if spoke:
            engine.receive(envelope(0), 1.0)
        engine.receive(envelope(1, kind=GIVEN_UP, data=()), 2.0)
        assert engine.lost == ([] if spoke else ['valve'])


def test_a_question_about_links_is_answered_once_and_makes_its_sender_heard():
    """Two engines that use no edge between them: one has lost the other, which has nothing to tell."""
    triangle = [[1, 2], [0, 2], [0, 1]]
    asking, asked = (
        RoundEngine(i, triangle[i], leave_out_lost=True, round_timeout=5.0, links=LinkState(i, triangle))
        for i in (0, 1)
    )
    for engine in (asking, asked):
        engine.open(RUN, 0, 0.0)
    asking.begin(listening(1, expects=(1,)), 0.0)
    asking.tick(10.0)
    assert asking.lost == ['1']
    for engine in (asking, asked):
        engine.open(RUN, 1, 11.0)
    questions = [each for each in asking.begin(listening(1, expects=(2,)), 11.0) if isinstance(each, Send)]
    (question,) = [each for each in questions if each.receiver == 1 and each.envelope.kind == LINKS]
    (answer,) = asked.receive(question.envelope, 12.0)
    assert (answer.receiver, answer.envelope.kind, answer.envelope.data.size) == (0, LINKS, 0)
    assert asking.receive(answer.envelope, 13.0) == [] and asking.lost == []
    asking.open(RUN, 2, 14.0)
    assert not asking.left_out and asked.receive(answer.envelope, 14.0) == []


def test_an_agent_that_takes_no_part_is_left_out_for_good():
    """A deactivated agent in real time declines each step; it does not answer questions about links either."""
    ring = [[1, 3], [0, 2], [1, 3], [0, 2]]
    engines = [
        RoundEngine(i, ring[i], leave_out_lost=True, round_timeout=5.0, links=LinkState(i, ring)) for i in range(4)
    ]
    failed = []
    for step in range(12):
        now, events, outcomes = 20.0 * step, [], []
        for engine in engines:
            engine.open(RUN, step, now)
        for engine in engines:
            out = engine.agent == 1 and step >= 2
            events += (
                engine.decline(RUN, step, now) if out else engine.begin(listening(1, expects=ring[engine.agent]), now)
            )
        while events:
            event = events.pop(0)
            if isinstance(event, Send):
                events += engines[event.receiver].receive(event.envelope, now + 1.0)
            elif isinstance(event, Done):
                outcomes.append(event.report)
        failed.append(any(isinstance(each[-1], ExchangeTimeout) for each in outcomes))
    assert failed == [step == 2 for step in range(12)]
    assert all(engine.cut == {(0, 1), (1, 2)} for engine in engines)


# Control frames


def test_a_frame_about_another_step_does_not_hide_that_of_the_present_one():
    """A neighbour that gave up step 5 and the one before, or that declines step 6 already: the agent gives step 5 up at
    once, and not after the timeout of 10 s."""
    for other in (4, 6):
        engine = engine_of(step=5, round_timeout=10.0)
        engine.begin(listening(3), 0.0)
        engine.receive(envelope(step=other, kind=GIVEN_UP), 1.0)
        assert engine.busy
        engine.receive(envelope(step=5, kind=GIVEN_UP), 2.0)
        engine.receive(envelope(step=other, kind=GIVEN_UP), 2.0)
        assert not engine.busy, other


def test_a_frame_of_an_unknown_sender_is_counted_and_changes_nothing():
    engine = engine_of()
    engine.begin(listening(2), 0.0)
    engine.receive(envelope(sender=3, kind=GIVEN_UP), 1.0)
    assert engine.busy and engine.mailbox.dropped == {'unknown sender': 1}


def test_frames_of_steps_that_are_far_away_are_bounded():
    engine = engine_of(step=5)
    engine.begin(listening(2), 0.0)
    for step in range(1000, 3000):
        engine.receive(envelope(step=step, kind=GIVEN_UP), 1.0)
    engine.receive(envelope(step=5, kind=GIVEN_UP), 2.0)
    assert not engine.busy


def test_an_optional_sender_that_gave_up_is_not_waited_for():
    engine = engine_of((1, 2), optional_timeout=5.0)
    events = engine.begin(listening(1, expects=(1,), optional=(2,)), 0.0)
    events += engine.receive(envelope(sender=1), 1.0)
    assert engine.busy
    events += engine.receive(envelope(sender=2, kind=GIVEN_UP), 2.0)
    assert result(events) == [{1: 1.0}]


def test_a_message_of_a_distant_future_is_no_proof_that_a_neighbour_lacks_nothing():
    engine = engine_of(resend_after=2.0)
    engine.begin(listening(3), 0.0)
    engine.receive(envelope(run=RUN + 7), 0.5)
    assert sent(engine.tick(2.0)) == [(1, 0)]


# Programs that go wrong


def stubborn():
    """Exchanges again after every exception."""
    while True:
        try:
            yield news()
        except ExchangeTimeout:
            continue


@pytest.mark.parametrize(
    'end',
    [
        lambda engine: engine.interrupt('deactivated', 1.0),
        lambda engine: engine.tick(4.0),
        lambda engine: engine.receive(envelope(kind=GIVEN_UP), 1.0),
    ],
    ids=['interruption', 'deadline', 'given up'],
)
def test_a_program_that_does_not_end_is_closed_and_its_agent_named(end):
    engine = engine_of()
    engine.begin(stubborn(), 0.0, deadline=3.0)
    with pytest.raises(ProgramError, match='the program of agent tank continues to exchange messages although'):
        end(engine)
    assert not engine.busy


def test_a_program_that_acts_twice_is_closed_and_its_agent_named():
    def program():
        yield Act(np.zeros(1))
        yield Act(np.ones(1))

    engine = engine_of()
    engine.begin(program(), 0.0)
    with pytest.raises(ProgramError, match='the program of agent tank acts twice in one step'):
        engine.tick(0.0)
    assert not engine.busy
