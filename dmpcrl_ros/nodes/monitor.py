# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Node that records a run and ends when it is complete.

Subscribes: <agent>/state, <agent>/status, <agent>/parameters and <agent>/presence for every agent, plant/presence.
Publishes: <name of the node>/presence (Presence, latched). All names are relative to the namespace of the system.
Writes: the run directory (recording.run_directory).
Parameters: the common settings, those of the system and of the method (settings.run), and those of
settings.nodes.MonitorSettings.
"""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.nodes.common import NodeFailure, run_node, wait_until_matched
from dmpcrl_ros.nodes.parameters import LiveParameters, declare
from dmpcrl_ros.nodes.presence import Presence, check
from dmpcrl_ros.nodes.signals import SPIN_SLICE, running
from dmpcrl_ros.recording.run_directory import RunWriter
from dmpcrl_ros.settings.agreement import agreement
from dmpcrl_ros.settings.nodes import MonitorSettings
from dmpcrl_ros.simulation.closed_loop import Step
from dmpcrl_ros.topics import PLANT, agent_topic
from dmpcrl_ros.transport.conversions import MessageError, metrics_from_msg, observation_from_msg, parameters_from_msg
from dmpcrl_ros.transport.executor import make_executor
from dmpcrl_ros.transport.qos import RECORD, STREAM
from dmpcrl_ros.transport.step_assembler import StepAssembler

# The parameters last: DDS matches the readers of a node in order. When the latched parameters have arrived, the writers
# of the other topics have matched their readers, too.
_TOPICS = (('state', msg.State, STREAM), ('status', msg.Status, STREAM), ('parameters', msg.Parameters, RECORD))
_GRACE = 4.0  # s after the last state until the last status must arrive: see step_assembler


class MonitorNode(Node):
    """Records the messages of the agents and the plant."""

    def __init__(self) -> None:
        super().__init__('monitor')
        self.settings, self.options = declare(self, MonitorSettings, of_method=True)
        LiveParameters(self, MonitorSettings)
        if not self.options.output:
            raise SettingError('output must name the directory of the run')
        self._system, method = self.settings.make_system(), self.settings.make_method()
        self._layouts = [method.layout(self._system, i) for i in range(self._system.n_agents)]
        self._writer = RunWriter(
            Path(self.options.output).expanduser(), self._system, self.settings, extra={'transport': 'ROS 2'}
        )
        self._assembler = StepAssembler(self._system.n_agents, method.metrics)
        self._executor = make_executor()
        self._executor.add_node(self)
        self._watched = [
            self.create_subscription(kind, agent_topic(name, topic), self._receiver(i, topic), qos)
            for i, name in enumerate(self._system.names)
            for topic, kind, qos in _TOPICS
        ]
        agreed = agreement(self.settings, self.options, self._system, of_method=True)
        self._presence = Presence(self, self.get_name(), agreed, [*self._system.names, PLANT])
        self._last_heard = self._last_report = time.monotonic()
        self._run, self._first, self._superseded, self._complete = 0, 0, False, False
        self._late = True  # the loop was closed before this monitor was ready
        self._first_parameters: dict[int, msg.Parameters] = {}  # of each agent, the newest before the first step
        self._without_parameters = set(range(self._system.n_agents))  # agents whose parameters have not arrived

    def run(self) -> None:
        """Record until the last transition.

        Raises:
            NodeFailure: the recording is not complete; the message gives the reason and the number of recorded steps.
        """
        with self._writer:
            try:
                blocking_reason = self._record()
            except ExternalShutdownException:
                blocking_reason = 'interrupted'
            finally:
                self._writer.discard_if_empty()  # another attempt can use the directory
        if blocking_reason:
            recorded = self._assembler.next - self._first - self._assembler.lost
            place = f' in {self.options.output}' if recorded else ''
            raise NodeFailure(f'{blocking_reason}: {recorded} of {self.settings.steps} steps are recorded{place}')

    def _record(self) -> str:
        """Record until the run is complete, or return the reason why it cannot be completed."""
        wait_until_matched(self, self._executor, self._missing, self.options.start_timeout)
        self._late = PLANT not in self._presence.not_ready()
        self._presence.announce(ready=True)
        self._last_heard = time.monotonic()
        while running() and self._assembler.next < self.settings.steps:
            self._executor.spin_once(timeout_sec=SPIN_SLICE)
            if self._complete and time.monotonic() - self._last_heard > _GRACE:
                self._record_steps(self._assembler.finish())
            if self._superseded:
                return 'the plant has begun another run, after a reset or a restart'
            if time.monotonic() - self._last_heard > self.options.silence_timeout:
                return f'no message for {self.options.silence_timeout:g} s'
        if self._assembler.next < self.settings.steps:
            return 'interrupted'
        return 'a message was lost on its way to the monitor' if self._assembler.lost else ''

    def _missing(self) -> list[str]:
        check([self._presence])
        unheard = {each.topic_name for each in self._watched if not each.get_publisher_count()}
        silent = [f'the parameters of {self._system.names[agent]}' for agent in self._without_parameters]
        return sorted(unheard.union(self._presence.missing(), silent))

    def _receiver(self, agent: int, topic: str) -> Callable[[Any], None]:
        take = self._on_parameters if topic == 'parameters' else self._on_part

        def receive(message: Any) -> None:
            self._superseded |= 0 < self._run < message.run
            if self._run in (0, message.run):
                take(agent, message)

        return receive

    def _begin(self, run: int, step: int) -> None:
        """Record the run of the first message of a step.

        If first messages may be missing, the recording begins with the next step.
        """
        self._run = run
        if self._late or step:
            self._first = self._assembler.next = step + 1
            self.get_logger().info(f'the run is at step {step}: recording from step {self._first} on')
        for agent, message in self._first_parameters.items():
            if message.run == run:
                self._on_parameters(agent, message)

    def _on_part(self, agent: int, message: msg.State | msg.Status) -> None:
        if not self._fits(agent, message):
            return
        if not self._run:
            self._begin(message.run, message.step)
        self._last_heard = time.monotonic()
        self._complete |= isinstance(message, msg.State) and message.step >= self.settings.steps
        self._record_steps(self._assembler.add(agent, message, self._last_heard))

    def _record_steps(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._writer.record(step)
            self._report(step)

    def _fits(self, agent: int, message: msg.State | msg.Status) -> bool:
        """Whether a message is valid for the topic of the agent; others are not recorded."""
        if message.step > self.settings.steps:
            return False
        try:
            if isinstance(message, msg.Status):
                metrics_from_msg(message)
                return message.agent == agent
            observation_from_msg(message, agent, self._system.agents[agent])
        except MessageError as reason:
            self.get_logger().warning(
                f'message of {self._system.names[agent]} dropped: {reason}', throttle_duration_sec=1.0
            )
            return False
        return True

    def _on_parameters(self, agent: int, message: msg.Parameters) -> None:
        try:
            theta = parameters_from_msg(message, self._layouts[agent])
        except MessageError as reason:
            self.get_logger().warning(f'parameters of {self._system.names[agent]} dropped: {reason}')
            return
        self._without_parameters.discard(agent)
        if self._run:
            self._writer.record_parameters(agent, message.step, message.updates, theta)
        else:
            self._first_parameters[agent] = message

    def _report(self, step: Step) -> None:
        period, now = self.options.report_period, time.monotonic()
        if period and now - self._last_report >= period:
            self._last_report = now
            metrics = ''.join(f', {name} {value:.3f}' for name, value in step.metrics.items())
            self.get_logger().info(
                f'step {step.step + 1} of {self.settings.steps}: cost {step.costs.sum():.3f}{metrics}'
            )


def main() -> int:
    """Run the executable dmpcrl_monitor."""
    return run_node(MonitorNode, 'dmpcrl_monitor', interrupted=1)


if __name__ == '__main__':
    sys.exit(main())
