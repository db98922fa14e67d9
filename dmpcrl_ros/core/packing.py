# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Protocols that share their message rounds."""

from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from typing import Any

import numpy as np

from dmpcrl_ros.core.exchange import Exchange, ExchangeTimeout, Inbox, Protocol


def packed(*protocols: Protocol[Any]) -> Protocol[tuple[Any, ...]]:
    """Results of several protocols, all of which make their next exchange in the same round.

    One array for each neighbour carries what all of them send it. A protocol that has ended takes no part in further
    rounds, so that each of them must take as many rounds at every agent. A round that fails, fails for all that are
    under way; they may end with what they have.

    Args:
        protocols: the same in the same order at every agent, without optional messages.

    Raises:
        ExchangeTimeout: a round has failed, and one of the protocols cannot end without it.
    """
    results: dict[int, Any] = {}
    asked: dict[int, Exchange] = {}

    def resume(place: int, advance: Callable[[], Exchange]) -> None:
        try:
            asked[place] = advance()
        except StopIteration as end:
            results[place] = end.value
            asked.pop(place, None)

    for place, protocol in enumerate(protocols):
        resume(place, partial(next, protocol))
    while asked:
        try:
            parts = _split(asked, (yield _joined(asked)))
        except ExchangeTimeout as timeout:
            for place in tuple(asked):
                resume(place, partial(protocols[place].throw, timeout))
            continue
        for place, part in parts.items():
            resume(place, partial(protocols[place].send, part))
    return tuple(results[place] for place in range(len(protocols)))


def _joined(asked: Mapping[int, Exchange]) -> Exchange:
    """Exchange of the arrays of all; that of a single one as it is."""
    exchanges = tuple(asked.values())
    if len(exchanges) == 1:
        return exchanges[0]
    if any(each.optional for each in exchanges):
        raise ValueError('an exchange with optional messages cannot be packed')
    receivers = dict.fromkeys(j for each in exchanges for j in each.outbox)
    senders = dict.fromkeys(j for each in exchanges for j in each.expects)
    return Exchange(
        ' + '.join(each.kind for each in exchanges),
        {j: np.concatenate([each.outbox[j].ravel() for each in exchanges if j in each.outbox]) for j in receivers},
        {j: (sum(prod(each.expects[j]) for each in exchanges if j in each.expects),) for j in senders},
    )


def _split(asked: Mapping[int, Exchange], inbox: Inbox) -> dict[int, Inbox]:
    """Inbox of each protocol."""
    if len(asked) == 1:
        return dict.fromkeys(asked, inbox)
    parts: dict[int, dict[int, np.ndarray]] = {place: {} for place in asked}
    for j, message in inbox.items():
        end = 0
        for place, exchange in asked.items():
            if shape := exchange.expects.get(j):
                begin, end = end, end + prod(shape)
                parts[place][j] = message[begin:end].reshape(shape)
    return dict(parts)
