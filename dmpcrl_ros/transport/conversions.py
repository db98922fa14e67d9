"""Messages to and from what the program works with. Pure functions; whatever comes from outside is checked here."""

import array
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time

from dmpcrl_ros import msg
from dmpcrl_ros.core.mailbox import Envelope
from dmpcrl_ros.core.report import StepReport
from dmpcrl_ros.core.parameters import ParameterLayout


class MessageError(ValueError):
    """A message does not fit; its text is the reason under which it is counted."""


def doubles(values: np.ndarray) -> array.array:
    """float64[] field of a message: rclpy takes an array.array ten times faster than a numpy array."""
    return array.array('d', np.ascontiguousarray(values, dtype=np.float64).tobytes())


def exchange_to_msg(envelope: Envelope) -> msg.Exchange:
    """Message of an envelope; data (n,) travel as n rows of one column."""
    data = envelope.data
    rows, columns = data.shape if data.ndim == 2 else (data.size, 1)
    return msg.Exchange(run=envelope.run, step=envelope.step, round=envelope.round, sender=envelope.sender,
                        kind=envelope.kind, rows=rows, columns=columns, data=doubles(data))


def exchange_from_msg(message: msg.Exchange, sender: int) -> Envelope:
    """Envelope of a message that came on the topic of neighbour `sender`.

    Raises:
        MessageError: its size contradicts itself, or it claims another sender.
    """
    if message.sender != sender:
        raise MessageError('unknown sender')
    if message.rows * message.columns != len(message.data):
        raise MessageError('wrong size')
    data = np.frombuffer(message.data, dtype=np.float64).reshape(message.rows, message.columns)
    return Envelope(message.run, message.step, message.round, sender, message.kind, data)


def state_to_msg(*, stamp: Time, run: int, step: int, episode: int, agent: int, state: np.ndarray,
                 stage_cost: float, exogenous: Sequence[float] | np.ndarray = (),
                 applied: Sequence[float] | np.ndarray = ()) -> msg.State:
    """Message of the state (n_x,), the exogenous input (n_d,) and, of the transition that ended, the stage cost and the input
    (n_u,) of one agent at a step."""
    return msg.State(stamp=stamp, run=run, step=step, episode=episode, agent=agent, state=doubles(state),
                     exogenous=doubles(exogenous), stage_cost=float(stage_cost), applied=doubles(applied))


def action_to_msg(*, stamp: Time, run: int, step: int, agent: int, action: np.ndarray, fallback: bool) -> msg.Action:
    """Message of the action (n_u,) of one agent at a step, and whether it is the fallback."""
    return msg.Action(stamp=stamp, run=run, step=step, agent=agent, action=doubles(action), fallback=fallback)


def vector_from_msg(message: msg.State | msg.Action, agent: int, size: int) -> np.ndarray:
    """State (n_x,) or action (n_u,) of a message about `agent`.

    Raises:
        MessageError: another agent's, of the wrong size, or with a NaN or infinity.
    """
    values = message.state if isinstance(message, msg.State) else message.action
    if message.agent != agent:
        raise MessageError('unknown sender')
    if isinstance(message, msg.State) and not np.isfinite(message.stage_cost):
        raise MessageError('not finite')
    return _finite(values, size)


def exogenous_from_msg(message: msg.State, size: int) -> np.ndarray:
    """Signal (n_d,) of a state message, whose state `vector_from_msg` has checked.

    Raises:
        MessageError: of the wrong size, or with a NaN or infinity.
    """
    return _finite(message.exogenous, size)


def applied_from_msg(message: msg.State, size: int) -> np.ndarray | None:
    """Input (n_u,) that a state message says was applied; None at the first step.

    Raises:
        MessageError: of the wrong size, or with a NaN or infinity.
    """
    return _finite(message.applied, size) if message.step or len(message.applied) else None


def _finite(values: Sequence[float], size: int) -> np.ndarray:
    if len(values) != size:
        raise MessageError('wrong size')
    vector = np.array(values, dtype=np.float64)
    if not np.isfinite(vector).all():
        raise MessageError('not finite')
    return vector


def status_to_msg(report: StepReport, *, stamp: Time, run: int, step: int, agent: int, rounds: int, action_time: float,
                  step_time: float, timeouts: int, dropped: int, fallback: bool) -> msg.Status:
    """Message of the report of a step: its times [s] and rounds, timeouts and dropped messages since the start."""
    # numpy's scalars are no floats to the message classes, and a value that overflowed is not to stop the node
    fields = {name: float(np.nan_to_num(value)) if isinstance(value, float) else value
              for name, value in vars(report).items()}
    return msg.Status(stamp=stamp, run=run, step=step, agent=agent, rounds=rounds, action_time=action_time,
                      step_time=step_time, timeouts=timeouts, dropped=dropped, fallback=fallback, **fields)


def parameters_to_msg(theta: np.ndarray, layout: ParameterLayout, *, stamp: Time, run: int, step: int, agent: int,
                      updates: int) -> msg.Parameters:
    """Message of theta (p,) with the names and sizes of its parts."""
    return msg.Parameters(stamp=stamp, run=run, step=step, agent=agent, updates=updates, names=list(layout.names),
                          sizes=list(layout.sizes), theta=doubles(theta))


def parameters_from_msg(message: msg.Parameters, layout: ParameterLayout) -> np.ndarray:
    """theta (p,) of a message.

    Raises:
        MessageError: it is not of this layout, or not finite.
    """
    if (tuple(message.names) != layout.names or tuple(message.sizes) != layout.sizes
            or len(message.theta) != layout.size):
        raise MessageError('wrong size')
    theta = np.array(message.theta, dtype=np.float64)
    if not np.isfinite(theta).all():
        raise MessageError('not finite')
    return theta
