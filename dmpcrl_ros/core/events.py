# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Events that a round engine hands out to be carried out, and the control frames of the protocol."""

from typing import NamedTuple, TypeAlias

import numpy as np

from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.core.mailbox import Envelope

# Control frames: kinds of envelopes that belong to no exchange.
GIVEN_UP, OUT_OF_TIME = 'step given up', 'out of time'


class Send(NamedTuple):
    """An envelope is to go to a neighbour."""

    receiver: int
    envelope: Envelope


class Acted(NamedTuple):
    """The action of the step is decided. The program continues at the next `tick`."""

    action: np.ndarray
    fallback: bool


class Done(NamedTuple):
    """The step has ended."""

    report: StepReport


Event: TypeAlias = Send | Acted | Done
