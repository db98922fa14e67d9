# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Messages that a relay corrupts are refused by their receiver, and the original does not change."""

import copy

import numpy as np
import pytest

pytest.importorskip('rclpy')

from std_msgs.msg import Header  # noqa: E402

from dmpcrl_ros.core.agent import AgentSpec, Observation  # noqa: E402
from dmpcrl_ros.core.mailbox import Envelope, Mailbox  # noqa: E402
from dmpcrl_ros.core.spaces import EMPTY, Box  # noqa: E402
from dmpcrl_ros.testing.fault_plan import CORRUPTIONS  # noqa: E402
from dmpcrl_ros.transport import conversions as convert  # noqa: E402
from dmpcrl_ros.transport.corruption import corrupted, stamp  # noqa: E402

RUN = 3 << 32 | 9
EXCHANGE = convert.exchange_to_msg(Envelope(RUN, 4, 5, 1, 'copies', np.ones((2, 3))))
COMMON = {'header': Header(), 'run': RUN, 'agent': 1}
BOX = Box(-np.ones(2), np.ones(2))
SPEC = AgentSpec(name='a', state=BOX, action=BOX, exogenous=EMPTY, safe_action=np.zeros(2))
OBSERVATION = Observation(
    step=4, episode=0, state=np.ones(2), exogenous=np.zeros(0), stage_cost=1.0, applied=np.ones(2)
)
STATE = convert.state_to_msg(**COMMON, skipped=0, observation=OBSERVATION)
ACTION = convert.action_to_msg(**COMMON, step=4, action=np.ones(2), fallback=False)


def test_the_stamp_is_what_is_written_on_a_message():
    assert [stamp(message) for message in (EXCHANGE, STATE, ACTION)] == [
        (4, 5, 'copies'),
        (4, 0, 'state'),
        (4, 0, 'action'),
    ]


@pytest.mark.parametrize('corruption', CORRUPTIONS)
def test_a_spoiled_exchange_is_refused(corruption):
    before, mailbox, refused = copy.deepcopy(EXCHANGE), Mailbox([1]), 0
    mailbox.now = (RUN, 4, 5)
    try:
        mailbox.put(convert.exchange_from_msg(corrupted(EXCHANGE, corruption), 1))
    except convert.MessageError:
        refused = 1
    assert mailbox.take('copies', {1: (2, 3)}) is None and refused + mailbox.dropped.total() == 1
    assert before == EXCHANGE


@pytest.mark.parametrize('corruption', CORRUPTIONS)
@pytest.mark.parametrize('message', [STATE, ACTION], ids=['state', 'action'])
def test_a_spoiled_state_or_action_is_refused(message, corruption):
    before, bad = copy.deepcopy(message), corrupted(message, corruption)
    if corruption == 'run':
        assert bad.run < RUN
    else:
        with pytest.raises(convert.MessageError):
            read = convert.observation_from_msg if message is STATE else convert.action_from_msg
            read(bad, 1, SPEC)
    assert before == message
