# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Events of a round engine, for its driver to carry out, and the control frames of the protocol."""

from typing import NamedTuple, TypeAlias

import numpy as np

from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.core.mailbox import Envelope

# Control frames: kinds of envelopes outside of the exchanges.
GIVEN_UP, OUT_OF_TIME, LINKS = 'step given up', 'out of time', 'state of links'


class Send(NamedTuple):
    """Envelope to be sent to a neighbour."""

    receiver: int
    envelope: Envelope


class Acted(NamedTuple):
    """Action of the step. The program continues at the next `tick`."""

    action: np.ndarray
    fallback: bool


class Done(NamedTuple):
    """End of the step."""

    report: StepReport


Event: TypeAlias = Send | Acted | Done
