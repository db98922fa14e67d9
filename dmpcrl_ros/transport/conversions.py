# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Conversions between ROS messages and types of the core. Pure functions; messages from outside are checked here."""

import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from std_msgs.msg import Header

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.agent import AgentSpec, Observation, StepReport
from dmpcrl_ros.core.mailbox import Envelope
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.spaces import Space
from dmpcrl_ros.methods.method import Metric, check_metrics


class MessageError(ValueError):
    """A message is not valid; the text is the reason under which it is counted."""


def doubles(values: np.ndarray) -> 'array.array[float]':
    """float64[] field of a message: rclpy accepts an array.array ten times faster than a numpy array."""
    return array.array('d', np.ascontiguousarray(values, dtype=np.float64).tobytes())


def exchange_to_msg(envelope: Envelope) -> msg.Exchange:
    """Message of an envelope; data (n,) become n rows of one column."""
    data = envelope.data
    rows, columns = data.shape if data.ndim == 2 else (data.size, 1)
    return msg.Exchange(
        run=envelope.run,
        step=envelope.step,
        round=envelope.round,
        sender=envelope.sender,
        kind=envelope.kind,
        rows=rows,
        columns=columns,
        data=doubles(data),
    )


def exchange_from_msg(message: msg.Exchange, sender: int) -> Envelope:
    """Envelope of a message received on the topic of neighbour `sender`.

    Raises:
        MessageError: its sizes are inconsistent, or it names another sender.
    """
    if message.sender != sender:
        raise MessageError('unknown sender')
    if message.rows * message.columns != len(message.data):
        raise MessageError('wrong size')
    data = np.frombuffer(message.data, dtype=np.float64).reshape(message.rows, message.columns)
    return Envelope(message.run, message.step, message.round, sender, message.kind, data)


def state_to_msg(*, header: Header, run: int, skipped: int, agent: int, observation: Observation) -> msg.State:
    """Message of the observation of one agent.

    Args:
        header: with the time of the measurement.
        run: number of the run.
        skipped: number of skipped ticks of the control loop since its start.
        agent: index of the agent.
        observation: of the agent.
    """
    applied = np.zeros(0) if observation.applied is None else observation.applied
    return msg.State(
        header=header,
        run=run,
        step=observation.step,
        skipped=skipped,
        episode=observation.episode,
        agent=agent,
        state=doubles(observation.state),
        exogenous=doubles(observation.exogenous),
        stage_cost=float(observation.stage_cost),
        applied=doubles(applied),
    )


def action_to_msg(*, header: Header, run: int, step: int, agent: int, action: np.ndarray, fallback: bool) -> msg.Action:
    """Message of the action (n_u,) of one agent at a step, and whether it is the fallback."""
    return msg.Action(header=header, run=run, step=step, agent=agent, action=doubles(action), fallback=fallback)


def observation_from_msg(message: msg.State, agent: int, spec: AgentSpec) -> Observation:
    """Observation of a state message.

    Raises:
        MessageError: it belongs to another agent, or a part has the wrong size, is not finite, or not in its space.
    """
    if message.agent != agent:
        raise MessageError('unknown sender')
    if not np.isfinite(message.stage_cost):
        raise MessageError('not finite')
    applied = _vector(message.applied, spec.action) if message.step or len(message.applied) else None
    return Observation(
        step=message.step,
        episode=message.episode,
        state=_vector(message.state, spec.state),
        exogenous=_vector(message.exogenous, spec.exogenous),
        stage_cost=message.stage_cost,
        applied=applied,
    )


def action_from_msg(message: msg.Action, agent: int, spec: AgentSpec) -> np.ndarray:
    """Action (n_u,) of a message.

    Raises:
        MessageError: it belongs to another agent, has the wrong size, is not finite, or not in its space.
    """
    if message.agent != agent:
        raise MessageError('unknown sender')
    return _vector(message.action, spec.action)


def _vector(values: Sequence[float], space: Space) -> np.ndarray:
    if len(values) != space.size:
        raise MessageError('wrong size')
    vector = np.array(values, dtype=np.float64)
    if not np.isfinite(vector).all():
        raise MessageError('not finite')
    if not space.admits(vector):
        raise MessageError('not of its space')
    return vector


@dataclass(frozen=True, kw_only=True)
class StepStatistics:
    """Statistics of a step, from its driver.

    Args:
        rounds: communication rounds of the step.
        action_time: from the state to the action [s].
        step_time: from the state to the end of learning [s].
        timeouts: number of failed rounds since the start.
        dropped: number of dropped messages since the start.
        fallback: whether the action replaced a fresh decision.
    """

    rounds: int
    action_time: float
    step_time: float
    timeouts: int
    dropped: int
    fallback: bool


NO_STEP = StepStatistics(rounds=0, action_time=0.0, step_time=0.0, timeouts=0, dropped=0, fallback=False)


def status_to_msg(
    report: StepReport,
    metrics: Sequence[Metric],
    statistics: StepStatistics,
    *,
    header: Header,
    run: int,
    step: int,
    agent: int,
) -> msg.Status:
    """Message of the report of a step.

    Args:
        report: of the step.
        metrics: of the method; NaN for those missing in the report.
        statistics: of the step.
        header: of the state.
        run: number of the run.
        step: control step.
        agent: index of the agent.
    """
    names = [metric.name for metric in metrics]
    check_metrics(report.metrics, names)
    return msg.Status(
        header=header,
        run=run,
        step=step,
        agent=agent,
        updates=report.updates,
        fault=report.fault,
        metric_names=names,
        metrics=array.array('d', [report.metrics.get(name, np.nan) for name in names]),
        **asdict(statistics),
    )


def metrics_from_msg(message: msg.Status) -> dict[str, float]:
    """Metrics of a status message by their names; NaN for those that were not evaluated.

    Raises:
        MessageError: the numbers of values and names differ.
    """
    if len(message.metric_names) != len(message.metrics):
        raise MessageError('wrong size')
    return dict(zip(message.metric_names, message.metrics, strict=True))


def parameters_to_msg(
    theta: np.ndarray, layout: ParameterLayout, *, header: Header, run: int, step: int, agent: int, updates: int
) -> msg.Parameters:
    """Message of theta (p,) with the names and sizes of its parts."""
    return msg.Parameters(
        header=header,
        run=run,
        step=step,
        agent=agent,
        updates=updates,
        names=list(layout.names),
        sizes=list(layout.sizes),
        theta=doubles(theta),
    )


def parameters_from_msg(message: msg.Parameters, layout: ParameterLayout) -> np.ndarray:
    """theta (p,) of a message.

    Raises:
        MessageError: it does not have this layout, or is not finite.
    """
    if (
        tuple(message.names) != layout.names
        or tuple(message.sizes) != layout.sizes
        or len(message.theta) != layout.size
    ):
        raise MessageError('wrong size')
    theta = np.array(message.theta, dtype=np.float64)
    if not np.isfinite(theta).all():
        raise MessageError('not finite')
    return theta
