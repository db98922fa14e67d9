# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Messages and their content, there and back; contradictory messages are refused with the reason."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.core.agent import AgentSpec, Observation, StepReport  # noqa: E402
from dmpcrl_ros.core.events import GIVEN_UP, LINKS, OUT_OF_TIME  # noqa: E402
from dmpcrl_ros.core.mailbox import Envelope  # noqa: E402
from dmpcrl_ros.core.parameters import ParameterLayout  # noqa: E402
from dmpcrl_ros.core.spaces import Box, Finite  # noqa: E402
from dmpcrl_ros.methods.method import Metric  # noqa: E402
from dmpcrl_ros.transport import conversions as convert  # noqa: E402

HEADER = Header(stamp=Time(sec=3, nanosec=5), frame_id='tank')
PLACE = {'header': HEADER, 'run': 1, 'step': 2}


@pytest.mark.parametrize(
    'data',
    [
        np.arange(6.0).reshape(2, 3) / 7,
        np.array([0.1, -1e-300, 1e300]),
        np.zeros((0, 2)),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
)
def test_exchange_there_and_back_bit_for_bit(data):
    message = convert.exchange_to_msg(Envelope(2**40, 3, 4, 1, 'copies', data))
    back = convert.exchange_from_msg(message, 1)
    assert (back.run, back.step, back.round, back.sender, back.kind) == (2**40, 3, 4, 1, 'copies')
    assert back.data.tobytes() == np.ascontiguousarray(data).tobytes()
    assert back.data.size == data.size


def test_an_exchange_of_another_sender_or_of_contradictory_size_is_refused():
    message = convert.exchange_to_msg(Envelope(1, 1, 1, 2, 'copies', np.ones((2, 3))))
    with pytest.raises(convert.MessageError, match='unknown sender'):
        convert.exchange_from_msg(message, 1)
    message.rows = 5
    with pytest.raises(convert.MessageError, match='wrong size'):
        convert.exchange_from_msg(message, 2)
    message.rows, message.columns = 2**32 - 1, 2**32 - 1
    with pytest.raises(convert.MessageError, match='wrong size'):
        convert.exchange_from_msg(message, 2)


def test_the_message_definition_names_the_control_frames_of_the_engine():
    assert (msg.Exchange.GIVEN_UP, msg.Exchange.OUT_OF_TIME, msg.Exchange.LINKS) == (GIVEN_UP, OUT_OF_TIME, LINKS)


def box(size):
    return Box(np.full(size, -1.0), np.full(size, 1.0))


SPEC = AgentSpec(name='a', state=box(2), action=box(1), exogenous=box(0), safe_action=np.zeros(1))


def observation(**changes):
    return replace(
        Observation(
            step=2,
            episode=1,
            state=np.array([0.1, 0.2]),
            exogenous=np.zeros(0),
            stage_cost=0.3,
            applied=np.array([0.5]),
        ),
        **changes,
    )


def state_of(**changes):
    return convert.state_to_msg(header=HEADER, run=1, skipped=4, agent=1, observation=observation(**changes))


def test_states_and_actions_there_and_back():
    found = convert.observation_from_msg(state_of(), 1, SPEC)
    assert (found.step, found.episode, found.stage_cost) == (2, 1, 0.3)
    assert found.state.tolist() == [0.1, 0.2] and found.applied.tolist() == [0.5] and found.exogenous.size == 0
    action = convert.action_to_msg(**PLACE, agent=1, action=np.array([0.7]), fallback=False)
    assert convert.action_from_msg(action, 1, SPEC).tolist() == [0.7]
    assert action.header == state_of().header == HEADER and state_of().skipped == 4


def test_at_the_first_step_nothing_was_applied_and_later_something_must_have_been():
    assert convert.observation_from_msg(state_of(step=0, applied=None), 1, SPEC).applied is None
    with pytest.raises(convert.MessageError, match='wrong size'):
        convert.observation_from_msg(state_of(step=1, applied=None), 1, SPEC)


@pytest.mark.parametrize(
    ('changes', 'agent', 'reason'),
    [
        ({'state': np.array([0.1, np.nan])}, 1, 'not finite'),
        ({'state': np.array([0.1, np.inf])}, 1, 'not finite'),
        ({'state': np.array([0.1])}, 1, 'wrong size'),
        ({'state': np.zeros(0)}, 1, 'wrong size'),
        ({}, 2, 'unknown sender'),
        ({'stage_cost': np.nan}, 1, 'not finite'),
        ({'exogenous': np.array([0.1])}, 1, 'wrong size'),
        ({'applied': np.array([np.inf])}, 1, 'not finite'),
        ({'applied': np.zeros(3)}, 1, 'wrong size'),
    ],
)
def test_states_that_do_not_fit_are_refused(changes, agent, reason):
    with pytest.raises(convert.MessageError, match=reason):
        convert.observation_from_msg(state_of(**changes), agent, SPEC)


@pytest.mark.parametrize(
    ('values', 'agent', 'reason'),
    [([np.nan], 1, 'not finite'), ([], 1, 'wrong size'), ([0.1, 0.2], 1, 'wrong size'), ([0.1], 0, 'unknown sender')],
)
def test_actions_that_do_not_fit_are_refused(values, agent, reason):
    message = convert.action_to_msg(**PLACE, agent=1, action=np.array(values), fallback=False)
    with pytest.raises(convert.MessageError, match=reason):
        convert.action_from_msg(message, agent, SPEC)


@pytest.mark.parametrize(
    ('state', 'fits'), [([2.0, 0.0], True), ([3.0, 0.0], False), ([0.5, 0.0], False), ([-1.0, 1.0], False)]
)
def test_a_state_of_a_finite_space_is_an_index_of_it(state, fits):
    spec = replace(SPEC, state=Finite((3, 2)))
    message = state_of(state=np.array(state))
    if fits:
        assert convert.observation_from_msg(message, 1, spec).state.tolist() == state
    else:
        with pytest.raises(convert.MessageError, match='not of its space'):
            convert.observation_from_msg(message, 1, spec)


@pytest.mark.parametrize(
    ('exogenous', 'size', 'reason'),
    [
        ([0.15, 1 / 3], 2, ''),
        ([], 0, ''),
        ([0.1, np.nan], 2, 'not finite'),
        ([np.inf], 1, 'not finite'),
        ([0.1], 2, 'wrong size'),
        ([], 1, 'wrong size'),
        ([0.1], 0, 'wrong size'),
    ],
)
def test_exogenous_inputs_there_and_back_or_refused(exogenous, size, reason):
    message, spec = state_of(exogenous=np.array(exogenous)), replace(SPEC, exogenous=box(size))
    if not reason:
        assert convert.observation_from_msg(message, 1, spec).exogenous.tolist() == exogenous
        return
    with pytest.raises(convert.MessageError, match=reason):
        convert.observation_from_msg(message, 1, spec)


METRICS = (Metric(name='value', meaning='a value'), Metric(name='td_error', meaning='an error', column='ended'))


def test_a_status_has_the_metrics_that_the_method_declares():
    report = StepReport(updates=3, fault='a neighbour was late', metrics={'value': np.float64(1.5)})
    statistics = convert.StepStatistics(rounds=7, action_time=0.1, step_time=0.2, timeouts=1, dropped=2, fallback=True)
    message = convert.status_to_msg(report, METRICS, statistics, **PLACE, agent=0)
    assert (message.rounds, message.timeouts, message.dropped) == (7, 1, 2)
    assert (message.action_time, message.step_time) == (0.1, 0.2)
    assert (message.updates, message.fault, message.fallback) == (3, 'a neighbour was late', True)
    found = convert.metrics_from_msg(message)
    assert found['value'] == 1.5 and np.isnan(found['td_error']) and list(found) == ['value', 'td_error']


def test_a_status_with_more_names_than_values_is_refused():
    with pytest.raises(convert.MessageError, match='wrong size'):
        convert.metrics_from_msg(msg.Status(metric_names=['value', 'td_error'], metrics=[1.0]))


def test_parameters_there_and_back_and_refused_for_another_layout():
    layout = ParameterLayout({'V0': (1,), 'A': (2, 2)})
    theta = np.arange(5.0) / 3
    message = convert.parameters_to_msg(theta, layout, **PLACE, agent=0, updates=1)
    assert convert.parameters_from_msg(message, layout).tobytes() == theta.tobytes()
    with pytest.raises(convert.MessageError):
        convert.parameters_from_msg(message, ParameterLayout({'V0': (1,), 'A': (4,), 'b': (0,)}))
    message.theta[2] = float('nan')
    with pytest.raises(convert.MessageError, match='not finite'):
        convert.parameters_from_msg(message, layout)
