"""Diagnostics of the agents and of whatever stands for the plant, on /diagnostics."""

import time
from collections.abc import Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from dmpcrl_ros.core.report import StepReport
from dmpcrl_ros.methods.q_learning.agent import LearningAgent
from dmpcrl_ros.transport.driver import RosDriver

_STALE = 3.0  # s without a step


class Diagnostics:
    """Publishes one status at the period that the node's settings say.

    Args:
        node: with a setting diagnostics_period. name: of what is diagnosed. hardware: to which it belongs.
    """

    def __init__(self, node: Node, name: str, hardware: str):
        self._clock, self._name, self._hardware = node.get_clock(), name, hardware
        if node.settings.diagnostics_period:
            self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
            node.create_timer(node.settings.diagnostics_period, self._publish)

    def state(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """Level, summary and values."""
        raise NotImplementedError

    def _publish(self) -> None:
        level, summary, values = self.state()
        status = DiagnosticStatus(level=level, name=self._name, hardware_id=self._hardware, message=summary,
                                  values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
        self._publisher.publish(DiagnosticArray(header=self._header(), status=[status]))

    def _header(self):
        header = DiagnosticArray().header
        header.stamp = self._clock.now().to_msg()
        return header


class AgentDiagnostics(Diagnostics):
    """Of one agent: how its last step went, and what has been lost since the start."""

    def __init__(self, node: Node, driver: RosDriver, controller: LearningAgent):
        super().__init__(node, f'{node.settings.agent}: controller', node.settings.agent)
        self._node, self._driver, self._controller = node, driver, controller
        self._report, self._action_time, self._fallback = StepReport(), 0.0, False
        self._heard = time.monotonic()

    def note(self, report: StepReport, action_time: float, fallback: bool) -> None:
        """A step has ended."""
        self._report, self._action_time, self._fallback = report, action_time, fallback
        self._heard = time.monotonic()

    def state(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """Worst first: no state, an input that is not a decision, a step that taught nothing."""
        silence, report, lost = time.monotonic() - self._heard, self._report, self._driver.lost
        checkpoints_ = self._node.checkpoints_
        learning = bool(self._controller.learner) and not self._controller.held_back
        values = {'solve time [s]': f'{self._action_time:.4f}', 'rounds': self._driver.rounds,
                  'ADMM iterations': report.admm_iterations, 'primal residual': f'{report.primal_residual:.3g}',
                  'dual residual': f'{report.dual_residual:.3g}', 'stale neighbours': ', '.join(lost) or 'none',
                  'timeouts': self._driver.timeouts, 'dropped messages': self._driver.dropped,
                  **{f'dropped: {reason}': count for reason, count in self._driver.mailbox.dropped.items()},
                  'learning': 'on' if learning else 'off', 'updates': report.updates}
        if not self._node.active:
            return DiagnosticStatus.STALE, 'not active', values
        if silence > _STALE:
            return DiagnosticStatus.STALE, f'no state for {silence:.0f} s', values
        if self._fallback:
            return DiagnosticStatus.ERROR, f'fallback: {report.fault}', values
        if report.fault or checkpoints_.trouble:
            return DiagnosticStatus.WARN, report.fault or checkpoints_.trouble, values
        return DiagnosticStatus.OK, 'learning' if learning else 'controlling', values


class LoopDiagnostics(Diagnostics):
    """Of whatever closes the loop: which inputs came in time."""

    def __init__(self, node: Node):
        super().__init__(node, f'{node.get_name()}: control loop', node.get_name())
        self._node, self._missed = node, 0

    def state(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """An error while inputs are missing."""
        timer, silent = self._node.timer, self._node.silent()
        fresh, self._missed = timer.missed - self._missed, timer.missed
        values = {'step': self._node.step, 'deadlines met': timer.met, 'deadlines missed': timer.missed,
                  'ticks skipped': timer.skipped, 'waiting for': ', '.join(silent) or 'nobody'}
        if not self._node.active:
            return DiagnosticStatus.STALE, 'not active', values
        if blocking_reason := self._node.blocking_reason():
            level = DiagnosticStatus.WARN if blocking_reason == 'paused' else DiagnosticStatus.ERROR
            return level, blocking_reason, values
        if fresh:
            return DiagnosticStatus.ERROR, f'{fresh} deadlines missed', values
        return DiagnosticStatus.OK, 'closing the loop', values
