"""The round engine alone: what it sends, when it wakes, and what becomes of a program whose neighbours fail it."""
import math

import numpy as np
import pytest

from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import GIVEN_UP, OUT_OF_TIME, Acted, Done, Send
from dmpcrl_ros.core.exchange import Act, DeadlineReached, Exchange, ExchangeTimeout
from dmpcrl_ros.core.mailbox import Envelope

NAMES = {0: 'tank', 1: 'valve', 2: 'heater', 3: 'pump'}
RUN = 3


def engine_of(neighbours=(1,), run=RUN, step=0, **options):
    """The engine of agent 0 at the start of a step, at time 0."""
    engine = RoundEngine(0, neighbours, names=NAMES, **options)
    engine.open(run, step, 0.0)
    return engine


def envelope(number=0, sender=1, kind='news', data=(1.0,), step=0, run=RUN):
    return Envelope(run, step, number, sender, kind, np.reshape(data, (-1, 1)))


def news(expects=(1,), optional=(), size=1, value=5.0):
    return Exchange('news', dict.fromkeys((*expects, *optional), np.full(size, value)),
                    dict.fromkeys(expects, (size,)), dict.fromkeys(optional, (size,)))


def listening(rounds, **exchange):
    """What was heard in each round, or why it ended."""
    heard = []
    for _ in range(rounds):
        try:
            inbox = yield news(**exchange)
        except ExchangeTimeout as timeout:
            return [*heard, timeout]
        heard.append({sender: data.item() for sender, data in inbox.items()})
    return heard


def deciding(before, after, log=None, other=1):
    """A control step with so many rounds before and after its action; out of time, it acts on what it has."""
    reason, fallback = '', False
    try:
        for _ in range(before):
            yield news(expects=(other,))
    except DeadlineReached as deadline:
        reason = str(deadline)
    except ExchangeTimeout as timeout:
        reason, fallback = str(timeout), True
    yield Act(np.array([0.5]), fallback=fallback)
    if log is not None:
        log.append('learning')
    if reason:
        return reason
    try:
        for _ in range(after):
            yield news(expects=(other,))
    except ExchangeTimeout as timeout:
        return str(timeout)
    return 'learned'


def sent(events, kind='news'):
    """(receiver, round) of the envelopes of a kind among the events."""
    return [(event.receiver, event.envelope.round) for event in events
            if isinstance(event, Send) and event.envelope.kind == kind]


def result(events):
    (done,) = [event for event in events if isinstance(event, Done)]
    return done.report


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
    wrong = [envelope(data=[np.nan]), envelope(kind='olds'), envelope(data=[1.0, 2.0]), envelope(sender=3),
             envelope(run=RUN - 1)]
    assert not any(engine.receive(each, 1.0) for each in wrong)
    assert result(engine.receive(envelope(data=[9.0]), 1.0)) == [{1: 9.0}]
    assert engine.dropped == 5 and set(engine.mailbox.dropped) == {
        'not finite', 'other kind', 'wrong size', 'unknown sender', 'late'}


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
    assert engine.wake_at == -math.inf                      # as soon as the action is on its way
    engine.receive(envelope(), 1.0)
    assert log == [] and engine.rounds == 0                 # a message does not make it go on
    events = engine.tick(1.0)
    assert log == ['learning'] and sent(events) == [(1, 0)] and result(events) == 'learned'


def test_the_action_comes_in_the_step_in_which_its_rounds_end():
    engine = engine_of()
    assert sent(engine.begin(deciding(2, 2), 0.0)) == [(1, 0)]
    assert sent(engine.receive(envelope(0), 1.0)) == [(1, 1)]
    (acted,) = engine.receive(envelope(1), 2.0)
    assert isinstance(acted, Acted) and engine.rounds == 2
    assert sent(engine.tick(2.0)) == [(1, 2)]


# Timeouts

def test_a_round_without_an_answer_is_given_up_and_the_neighbours_are_told():
    engine = engine_of((1, 2), round_timeout=5.0)
    engine.begin(listening(3, expects=(1, 2)), 0.0)
    engine.receive(envelope(sender=1), 1.0)
    assert engine.wake_at == 10.0 and engine.tick(9.99) == []           # twice the timeout at the start of a step
    events = engine.tick(10.0)
    (timeout,) = result(events)
    assert str(timeout) == "no 'news' from heater in round 0 within 5 s" and not isinstance(timeout, DeadlineReached)
    assert sent(events, GIVEN_UP) == [(1, 0), (2, 0)] and engine.timeouts == 1 and engine.lost == ['heater']


def test_later_rounds_are_waited_for_as_long_as_the_timeout():
    engine = engine_of(round_timeout=5.0)
    engine.begin(listening(3), 0.0)
    engine.receive(envelope(), 8.0)
    assert engine.wake_at == 13.0


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
    """It has not given up the step: nobody is told so, and the round is the same one."""
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
    assert engine.timeouts == 0 and engine.lost == ['valve']            # which has said nothing in the whole step


def test_a_deadline_after_an_agreement_lets_the_neighbours_act_on_what_they_have():
    one, other, now = engine_of(round_timeout=50.0), RoundEngine(1, (0,), names=NAMES, round_timeout=50.0), 4.0
    other.open(RUN, 0, 0.0)
    one.begin(deciding(5, 5), 0.0, deadline=now)
    other.begin(deciding(5, 5, other=0), 0.0)                           # without a deadline of its own
    one.receive(envelope(0), 1.0)
    other.receive(envelope(0, sender=0), 1.0)
    events = one.tick(now)
    (notice,) = [event.envelope for event in events if isinstance(event, Send)]
    assert notice.kind == OUT_OF_TIME and [event.fallback for event in events if isinstance(event, Acted)] == [False]
    events = other.receive(notice, now + 1.0)
    assert [event.fallback for event in events if isinstance(event, Acted)] == [False]
    assert sent(events, OUT_OF_TIME) == [(0, 1)]                        # and it tells its own neighbours
    assert result(other.tick(6.0)) == 'tank: out of time'
    assert result(one.tick(6.0)) == 'out of time in round 1'            # it was heard: it is not to blame


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


# Resending

def test_without_progress_a_neighbour_is_sent_again_what_it_may_lack():
    """It sends in a round when it has what was sent to it in those before."""
    engine = engine_of(resend_after=2.0)
    engine.begin(listening(9), 0.0)
    assert engine.wake_at == 2.0 and sent(engine.tick(2.0)) == [(1, 0)]
    engine.receive(envelope(0), 3.0)
    assert engine.wake_at == 5.0                                        # progress begins the wait anew
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
    assert engine.wake_at == 102.0                                      # the next round has its own


def test_an_agent_that_has_ended_its_step_still_sends_its_last_rounds_again():
    """A neighbour may lack them, until it is heard in the next step."""
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
    assert engine.receive(envelope(0, sender=2), 4.5) == []             # too late: of no use any more
    assert engine.dropped == 1 and engine.mailbox.dropped == {'late': 1}
    engine.receive(envelope(1, sender=1), 5.0)
    assert engine.wake_at == 8.0                                        # optional senders of round 1
    assert result(engine.tick(8.0)) == [{1: 1.0, 3: 7.0}, {1: 1.0}]
    assert engine.timeouts == 0 and engine.lost == []


def test_required_senders_are_waited_for_beyond_the_time_of_optional_ones():
    engine = optional_engine(round_timeout=20.0)
    assert engine.tick(4.0) == [] and engine.wake_at == 40.0            # no further wait for the optional ones
    assert engine.tick(5.0) == []
    engine.receive(envelope(sender=2), 6.0)                             # they are in time as long as others are missing
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
    assert not engine.left_out                                          # the step itself is given up
    engine.open(RUN, 1, 11.0)
    assert engine.left_out == {1} and engine.lost == ['valve']
    assert sent(engine.begin(listening(2, expects=(1, 2)), 11.0)) == [(1, 0), (2, 0)]  # it may hear what it cannot say
    assert sent(engine.receive(envelope(sender=2, step=1), 12.0)) == [(1, 1), (2, 1)]
    engine.receive(envelope(1, sender=1, step=1), 13.0)                 # it is back
    assert engine.left_out == {1} and engine.lost == []                 # but a step ends as it began
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
    engine.receive(envelope(sender=1, step=7), 12.0)                    # of a step to come: it is there
    assert engine.lost == []


def test_a_neighbour_that_gave_up_without_a_word_is_lost_and_one_that_took_part_is_not():
    for spoke in (False, True):
        engine = engine_of((1,), round_timeout=5.0, leave_out_lost=True)
        engine.begin(listening(2), 0.0)
        if spoke:
            engine.receive(envelope(0), 1.0)
        engine.receive(envelope(1, kind=GIVEN_UP, data=()), 2.0)
        assert engine.lost == ([] if spoke else ['valve'])


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
                yield news(expects=tuple(neighbours[:1]), optional=tuple(neighbours[1:1 + draw.integers(3)]))
            except ExchangeTimeout:
                if draw.random() < 0.5:
                    return 'gave up'
        return 'ended'

    engine, now, ticks = engine_of(
        (1, 2, 3), round_timeout=draw.choice([1.0, 7.0]), resend_after=draw.choice([0.3, 2.0, math.inf]),
        optional_timeout=draw.choice([0.0, 0.5, 3.0]), leave_out_lost=bool(draw.integers(2))), 0.0, 0
    events = engine.begin(program(), now, draw.choice([4.0, math.inf]))
    while engine.busy:
        if draw.random() < 0.6:                             # a message comes before the timer
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
    assert engine.wake_at == math.inf                       # it has nothing more to send
