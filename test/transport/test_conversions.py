"""Messages and what they mean, there and back; what contradicts itself is refused by its reason."""
import numpy as np
import pytest

pytest.importorskip('rclpy')

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.core.mailbox import Envelope  # noqa: E402
from dmpcrl_ros.core.report import StepReport  # noqa: E402
from dmpcrl_ros.core.parameters import ParameterLayout  # noqa: E402
from dmpcrl_ros.transport import conversions as convert  # noqa: E402

STAMP = {'stamp': convert.Time(sec=3, nanosec=5), 'run': 1, 'step': 2}


@pytest.mark.parametrize('data', [np.arange(6.0).reshape(2, 3) / 7, np.array([0.1, -1e-300, 1e300]), np.zeros((0, 2)),
                                  np.asfortranarray(np.arange(6.0).reshape(2, 3))])
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


def test_states_and_actions_there_and_back():
    state = convert.state_to_msg(**STAMP, episode=0, agent=1, state=np.array([0.1, 0.2]), stage_cost=0.3)
    assert convert.vector_from_msg(state, 1, 2).tolist() == [0.1, 0.2]
    action = convert.action_to_msg(**STAMP, agent=1, action=np.array([0.7]), fallback=False)
    assert convert.vector_from_msg(action, 1, 1).tolist() == [0.7]


@pytest.mark.parametrize(('values', 'agent', 'size', 'reason'), [
    ([0.1, np.nan], 0, 2, 'not finite'), ([0.1, np.inf], 0, 2, 'not finite'),
    ([0.1], 0, 2, 'wrong size'), ([], 0, 1, 'wrong size'), ([0.1, 0.2], 1, 2, 'unknown sender')])
def test_vectors_that_do_not_fit_are_refused(values, agent, size, reason):
    message = convert.state_to_msg(**STAMP, episode=0, agent=0, state=np.array(values), stage_cost=0.0)
    with pytest.raises(convert.MessageError, match=reason):
        convert.vector_from_msg(message, agent, size)


def test_a_state_with_a_stage_cost_that_is_no_number_is_refused():
    message = convert.state_to_msg(**STAMP, episode=0, agent=0, state=np.zeros(2), stage_cost=np.nan)
    with pytest.raises(convert.MessageError, match='not finite'):
        convert.vector_from_msg(message, 0, 2)


def test_a_status_has_every_field_of_the_report():
    report = StepReport(value=np.float64(1.5), td_error=float('nan'), evaluated=True, updates=3,
                        fault='a neighbour was late')
    message = convert.status_to_msg(report, **STAMP, agent=0, rounds=7, action_time=0.1, step_time=0.2, timeouts=1,
                                    dropped=2, fallback=True)
    assert (message.value, message.td_error, message.updates, message.fault) == (1.5, 0.0, 3, 'a neighbour was late')
    assert set(vars(report)) <= set(msg.Status.get_fields_and_field_types())


def test_parameters_there_and_back_and_refused_for_another_layout():
    layout = ParameterLayout({'V0': (1,), 'A': (2, 2)})
    theta = np.arange(5.0) / 3
    message = convert.parameters_to_msg(theta, layout, **STAMP, agent=0, updates=1)
    assert convert.parameters_from_msg(message, layout).tobytes() == theta.tobytes()
    with pytest.raises(convert.MessageError):
        convert.parameters_from_msg(message, ParameterLayout({'V0': (1,), 'A': (4,), 'b': (0,)}))
    message.theta[2] = float('nan')
    with pytest.raises(convert.MessageError, match='not finite'):
        convert.parameters_from_msg(message, layout)


def state_with(exogenous):
    return convert.state_to_msg(**STAMP, episode=2, agent=0, state=np.zeros(2), exogenous=exogenous, stage_cost=0.0)


def test_signals_there_and_back():
    assert convert.exogenous_from_msg(state_with(np.array([0.15, 1 / 3])), 2).tolist() == [0.15, 1 / 3]
    assert convert.exogenous_from_msg(state_with(()), 0).size == 0


@pytest.mark.parametrize(('exogenous', 'size', 'reason'), [
    ([0.1, np.nan], 2, 'not finite'), ([np.inf], 1, 'not finite'), ([0.1], 2, 'wrong size'), ([], 1, 'wrong size'),
    ([0.1], 0, 'wrong size')])
def test_signals_that_do_not_fit_are_refused(exogenous, size, reason):
    with pytest.raises(convert.MessageError, match=reason):
        convert.exogenous_from_msg(state_with(exogenous), size)
