# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Programs for a round engine, messages to it, and readers of its events."""

import numpy as np

from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import Done, Send
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
    return Exchange(
        'news',
        dict.fromkeys((*expects, *optional), np.full(size, value)),
        dict.fromkeys(expects, (size,)),
        dict.fromkeys(optional, (size,)),
    )


def listening(rounds, **exchange):
    """Result: the messages of each round, or the reason why it ended."""
    heard = []
    for _ in range(rounds):
        try:
            inbox = yield news(**exchange)
        except ExchangeTimeout as timeout:
            return [*heard, timeout]
        heard.append({sender: data.item() for sender, data in inbox.items()})
    return heard


def deciding(before, after, log=None, other=1):
    """A control step with rounds before and after its action; at its deadline it acts on the rounds so far."""
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
    return [
        (event.receiver, event.envelope.round)
        for event in events
        if isinstance(event, Send) and event.envelope.kind == kind
    ]


def result(events):
    (done,) = [event for event in events if isinstance(event, Done)]
    return done.report
