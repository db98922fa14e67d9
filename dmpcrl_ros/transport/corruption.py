# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Stamps and corruption of messages for a plan of faults. Pure functions; the relay node calls them."""

import copy
from typing import TypeAlias

import numpy as np

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.mailbox import Envelope
from dmpcrl_ros.testing.fault_plan import corrupt
from dmpcrl_ros.transport.conversions import doubles

Message: TypeAlias = msg.Exchange | msg.State | msg.Action
_VALUES = {msg.Exchange: 'data', msg.State: 'state', msg.Action: 'action'}


def stamp(message: Message) -> tuple[int, int, str]:
    """(step, round, kind) of a message; states and actions belong to round 0."""
    if isinstance(message, msg.Exchange):
        return message.step, message.round, message.kind
    return message.step, 0, _VALUES[type(message)]


def corrupted(message: Message, corruption: str) -> Message:
    """Message with one of fault_plan.CORRUPTIONS. States and actions have no kind: their size changes instead."""
    exchange, values = isinstance(message, msg.Exchange), _VALUES[type(message)]
    step, number, kind = stamp(message)
    sender = message.sender if exchange else message.agent
    envelope = corrupt(
        Envelope(message.run, step, number, sender, kind, np.array(getattr(message, values))),
        'size' if corruption == 'kind' and not exchange else corruption,
    )
    result = copy.deepcopy(message)
    result.run = envelope.run
    setattr(result, values, doubles(envelope.data))
    if exchange:
        result.kind, result.sender = envelope.kind, envelope.sender
    else:
        result.agent = envelope.sender
    return result
