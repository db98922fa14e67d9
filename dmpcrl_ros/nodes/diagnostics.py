# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Diagnostics of the agents and of the control loop, on the topic `diagnostics`."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.timer import Timer

from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.transport.conversions import NO_STEP, StepStatistics

if TYPE_CHECKING:
    from dmpcrl_ros.nodes.agent import AgentNode
    from dmpcrl_ros.nodes.control_loop import ControlLoopNode
    from dmpcrl_ros.nodes.hosted_agent import HostedAgent
    from dmpcrl_ros.nodes.managed import ManagedNode

_STALE = 3.0  # s without a step


class Diagnostics:
    """Publishes one status periodically.

    Args:
        node: a managed node.
        name: of the diagnosed component.
        hardware: identifier of the hardware that the component belongs to.
    """

    def __init__(self, node: 'ManagedNode[Any]', name: str, hardware: str):
        self._node, self._name, self._hardware = node, name, hardware
        self._publisher = node.create_publisher(DiagnosticArray, 'diagnostics', 10)
        self._period: float | None = None
        self._timer: Timer | None = None
        self._schedule()
        node.live.followers.append(self._schedule)

    def state(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """Level, summary and values."""
        raise NotImplementedError

    def _schedule(self) -> None:
        period = self._node.options.diagnostics_period
        if period == self._period:
            return
        if self._timer:
            self._node.destroy_timer(self._timer)
        self._period = period
        self._timer = self._node.create_timer(period, self._publish) if period else None

    def _publish(self) -> None:
        level, summary, values = self.state()
        status = DiagnosticStatus(
            level=level,
            name=self._name,
            hardware_id=self._hardware,
            message=summary,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        self._publisher.publish(DiagnosticArray(header=self._header(), status=[status]))

    def _header(self) -> Any:
        header = DiagnosticArray().header
        header.stamp = self._node.get_clock().now().to_msg()
        return header


class AgentDiagnostics(Diagnostics):
    """Diagnostics of one agent: its last step, and the lost messages and rounds since the start.

    Args:
        node: that runs the agent.
        hosted: the agent, with its engine and checkpoints.
    """

    _node: 'AgentNode'

    def __init__(self, node: 'AgentNode', hosted: 'HostedAgent'):
        super().__init__(node, f'{hosted.spec.name}: controller', hosted.spec.name)
        self._hosted = hosted
        self._units = {metric.name: metric.unit for metric in node.settings.make_method().metrics}
        self._report, self._statistics = StepReport(), NO_STEP
        self._heard = time.monotonic()

    def note(self, report: StepReport, statistics: StepStatistics) -> None:
        """Record the outcome of a step."""
        self._report, self._statistics = report, statistics
        self._heard = time.monotonic()

    def state(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """Level, summary and values.

        The worst condition determines the level: no state, then a fallback, then a step without learning.
        """
        silence, report = time.monotonic() - self._heard, self._report
        learning = self._node.learning
        trouble = report.fault or self._hosted.checkpoints.trouble
        values = self._values(learning)
        if not self._node.active:
            return DiagnosticStatus.STALE, 'not active', values
        if silence > _STALE:
            return DiagnosticStatus.STALE, f'no state for {silence:.0f} s', values
        if self._statistics.fallback:
            return DiagnosticStatus.ERROR, f'fallback: {report.fault}', values
        if trouble:
            return DiagnosticStatus.WARN, trouble, values
        return DiagnosticStatus.OK, 'learning' if learning else 'controlling', values

    def _values(self, learning: bool) -> dict[str, Any]:
        engine = self._hosted.engine
        metrics = {
            f'{name} [{self._units[name]}]' if self._units.get(name) else name: f'{value:.4g}'
            for name, value in self._report.metrics.items()
        }
        return {
            'solve time [s]': f'{self._statistics.action_time:.4f}',
            'rounds': self._statistics.rounds,
            **metrics,
            'stale neighbours': ', '.join(engine.lost) or 'none',
            'timeouts': engine.timeouts,
            'dropped messages': engine.dropped,
            **{f'dropped: {reason}': count for reason, count in engine.mailbox.dropped.items()},
            'learning': 'on' if learning else 'off',
            'updates': self._report.updates,
        }


class LoopDiagnostics(Diagnostics):
    """Diagnostics of the control loop: timeliness of the inputs."""

    _node: 'ControlLoopNode[Any]'

    def __init__(self, node: 'ControlLoopNode[Any]'):
        super().__init__(node, f'{node.get_name()}: control loop', node.get_name())
        self._missed = 0

    def state(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """Level, summary and values; an error while inputs are missing."""
        timer, silent = self._node.timer, self._node.silent()
        fresh, self._missed = timer.missed - self._missed, timer.missed
        values = {
            'step': self._node.step,
            'deadlines met': timer.met,
            'deadlines missed': timer.missed,
            'ticks skipped': timer.skipped,
            'waiting for': ', '.join(silent) or 'none',
        }
        if not self._node.active:
            return DiagnosticStatus.STALE, 'not active', values
        if blocking_reason := self._node.blocking_reason():
            level = DiagnosticStatus.WARN if blocking_reason == 'paused' else DiagnosticStatus.ERROR
            return level, blocking_reason, values
        if fresh:
            return DiagnosticStatus.ERROR, f'{fresh} deadlines missed', values
        return DiagnosticStatus.OK, 'run complete' if self._node.complete else 'closing the loop', values
