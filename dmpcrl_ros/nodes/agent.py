"""The node of one agent, a lifecycle node.

Subscribes: /<agent>/state (State), /<neighbour>/to/<agent> (Exchange) for every neighbour.
Publishes: /<agent>/action (Action), /<agent>/status (Status), /<agent>/parameters (Parameters, latched),
/<agent>/to/<neighbour> (Exchange) for every neighbour, /<agent>/ready (std_msgs/UInt64, latched: its launch) once it is
connected to its neighbours and to the plant, /diagnostics (diagnostic_msgs/DiagnosticArray).
Services (std_srvs/Trigger): ~/start and ~/stop learning, ~/reset to the first parameters, ~/save and ~/load a
checkpoint. Parameters: those of node_settings.AgentSettings; qos_overrides.<topic>.<publisher or
subscription>.<policy>.
"""

import math
import sys
import time

import numpy as np
import rclpy
from std_msgs.msg import UInt64

from dmpcrl_ros import msg
from dmpcrl_ros.core.exchange import ExchangeTimeout
from dmpcrl_ros.core.report import StepReport
from dmpcrl_ros.methods.build import distributed_agent
from dmpcrl_ros.nodes.checkpoint_manager import CheckpointManager
from dmpcrl_ros.nodes.common import run_node, wait_until_matched
from dmpcrl_ros.nodes.diagnostics import AgentDiagnostics
from dmpcrl_ros.nodes.managed import ManagedNode
from dmpcrl_ros.settings.nodes import AgentSettings
from dmpcrl_ros.transport.conversions import (
    MessageError,
    action_to_msg,
    applied_from_msg,
    exogenous_from_msg,
    parameters_to_msg,
    status_to_msg,
    vector_from_msg,
)
from dmpcrl_ros.transport.driver import GIVEN_UP, OUT_OF_TIME, RosDriver
from dmpcrl_ros.transport.qos import HISTORY, LATCHED, OVERRIDABLE, STREAM, agent_topic, ready_topic
from dmpcrl_ros.transport.runs import OTHER_LAUNCH, belongs

_INSISTENT = 3  # states
_SILENCE = 30.0  # s
_SAME = 1e-9  # relative to the bounds: an input that was scaled for an actuator and back is still the same


class AgentNode(ManagedNode):
    """Runs a LearningAgent: a state comes, the action goes out, then the agent learns."""

    def __init__(self) -> None:
        super().__init__('controller', AgentSettings)

    def configure(self) -> None:
        """Make the controller, with what it has learned before, and its topics."""
        settings, name = self.settings, self.settings.agent
        network = settings.network()
        self._index = network.index(name)
        self._data = network.local[self._index]
        self._controller = distributed_agent(network, self._index, settings)
        self._deadline = settings.deadline_in(network) or math.inf
        self._driver = RosDriver(self, self.executor_, agent=self._index, names=dict(enumerate(network.names)),
                                 neighbours=network.graph.neighbours[self._index],
                                 round_timeout=settings.round_timeout, launch=settings.launch,
                                 leave_out_lost=settings.lost_neighbours == 'leave-out',
                                 resend_after=settings.resend_after)
        self._action_publisher, self._status_publisher, self._parameters_publisher = (
            self.create_publisher(kind, agent_topic(name, topic), HISTORY, qos_overriding_options=OVERRIDABLE)
            for kind, topic in ((msg.Action, 'action'), (msg.Status, 'status'), (msg.Parameters, 'parameters')))
        self._ready_publisher = self.create_publisher(UInt64, ready_topic(name), LATCHED)
        self._state: tuple[msg.State, float] | None = None  # the next one
        self._present: msg.State | None = None
        self._past: list[tuple[int, int]] = []  # stamps of states that came too late, since the last that did not
        self._listening, self._heard = False, time.monotonic()
        self._done = (0, 0)
        self._answer: msg.Action | None = None
        self.checkpoints_ = CheckpointManager(self, self._controller, network)
        self.checkpoints_.recover()
        self._diagnostics = AgentDiagnostics(self, self._driver, self._controller)

    def work(self) -> None:
        """Wait for the network, then answer states."""
        wait_until_matched(self, self.executor_, self._missing, self.settings.start_timeout)
        if not self._listening:
            self._listening = True
            self.create_subscription(msg.State, agent_topic(self.settings.agent, 'state'), self._on_state, STREAM,
                                     qos_overriding_options=OVERRIDABLE)
            self._ready_publisher.publish(UInt64(data=self.settings.launch))
        while self.active and rclpy.ok():
            if self._state is None:
                self._driver.idle(timeout=0.5)
                self._warn_of_silence()
                self.checkpoints_.serve()
            else:
                (state, received), self._state = self._state, None
                self._step(state, received)

    def _warn_of_silence(self) -> None:
        """Say that no state comes: the plant may be gone."""
        silence = time.monotonic() - self._heard
        if silence > _SILENCE:
            self.get_logger().warning(f'no state for {silence:.0f} s', throttle_duration_sec=_SILENCE)

    def halt(self) -> None:
        """Answer the present state with the safe input, also in the midst of its step."""
        if self._present:
            self._be_safe(self._present)
        self.checkpoints_.save_if_changed()

    def release(self) -> None:
        """Nothing is left of the controller."""
        del self._driver, self._controller, self.checkpoints_, self._diagnostics

    def _missing(self) -> list[str]:
        if not self.active:
            return []
        return self._driver.unmatched() + ([] if self._action_publisher.get_subscription_count() else ['the plant'])

    def _on_state(self, message: msg.State) -> None:
        self._heard = time.monotonic()
        if not belongs(message.run, self.settings.launch):
            self._driver.mailbox.dropped[OTHER_LAUNCH] += 1
            return
        try:
            self._observation(message)
            applied_from_msg(message, self._data.n_inputs)
        except MessageError as reason:
            self._driver.mailbox.dropped[str(reason)] += 1
            self.get_logger().warning(f'state of step {message.step} dropped: {reason}', throttle_duration_sec=1.0)
            return
        if (message.run, message.step) == self._done and self._answer:
            self._action_publisher.publish(self._answer)  # the plant asks again: the answer was lost
        elif (message.run, message.step) <= self._done and not self._insists((message.run, message.step)):
            self._driver.mailbox.dropped['late'] += 1
        elif self.active:
            self._state = (message, time.monotonic())
        else:
            self._be_safe(message)

    def _insists(self, stamp: tuple[int, int]) -> bool:
        """Whether the plant keeps telling of steps that seem to be past: then it was not the plant that told of the
        future."""
        self._past = [*self._past, stamp] if self._past and stamp >= self._past[-1] else [stamp]
        return len(self._past) >= _INSISTENT

    def _be_safe(self, message: msg.State) -> None:
        """Answer for a node that is not active, and let no neighbour wait for it."""
        self._present, self._done = message, (message.run, message.step)
        self._driver.begin_step(message.run, message.step)
        self._driver.give_up(GIVEN_UP)
        self._answer_with(message, self._data.safe_input, fallback=True)

    def _observation(self, message: msg.State) -> tuple[np.ndarray, np.ndarray]:
        """State (n_x,) and exogenous (n_d,)."""
        return (vector_from_msg(message, self._index, self._data.n_states),
                exogenous_from_msg(message, self._data.n_exogenous))

    def _step(self, message: msg.State, received: float) -> None:
        self._begin(message)
        deadline, fault = self._deadline + received, ''
        try:
            action = self._driver.run(self._controller.act(message.step, *self._observation(message)), deadline,
                                      self._interruption)
            fallback, fault = self._controller.fell_back, self._controller.late
            if fault:
                self._driver.give_up(OUT_OF_TIME)
        except ExchangeTimeout as timeout:
            self._driver.give_up(GIVEN_UP)
            action, fallback, fault = self._controller.fallback(), True, str(timeout)
        if not self.active:
            return  # halt() has answered
        self._answer_with(message, action, fallback)
        action_time = time.monotonic() - received
        report = self._learn(message, fault)
        self._status_publisher.publish(status_to_msg(
            report, stamp=message.stamp, run=message.run, step=message.step, agent=self._index,
            rounds=self._driver.rounds, action_time=action_time, step_time=time.monotonic() - received,
            timeouts=self._driver.timeouts, dropped=self._driver.dropped, fallback=fallback))
        self.checkpoints_.keep(message.run, message.step)
        self._diagnostics.note(report, action_time, fallback)

    def _begin(self, message: msg.State) -> None:
        """Prepare for a step: of a new run, perhaps, or after one in which something else was applied."""
        if message.run != self._done[0]:
            self.checkpoints_.begin_run(message.run)
            self._publish_parameters(message)
        elif self._answer and self._answer.step == message.step - 1 and not self._as_decided(message):
            self._controller.abandon()
        self._present, self._done, self._past = message, (message.run, message.step), []
        self._driver.begin_step(message.run, message.step)
        lost = [] if not self._driver.left_out else self._driver.lost
        self._controller.held_back = (f'{", ".join(lost)} lost: last prediction held' if lost
                                      else self.checkpoints_.learning_stopped)

    def _as_decided(self, message: msg.State) -> bool:
        applied, decided = applied_from_msg(message, self._data.n_inputs), np.array(self._answer.action)
        scale = np.maximum(np.abs(decided), 1.0)
        return applied is None or bool((np.abs(applied - decided) <= _SAME * scale).all())

    def _interruption(self) -> str:
        if not self.active:
            return 'deactivated'
        return 'the next state has come' if self.settings.real_time and self._state else ''

    def _answer_with(self, message: msg.State, action: np.ndarray, fallback: bool) -> None:
        self._answer = action_to_msg(stamp=message.stamp, run=message.run, step=message.step, agent=self._index,
                                     action=action, fallback=fallback)
        self._action_publisher.publish(self._answer)

    def _learn(self, message: msg.State, fault: str) -> StepReport:
        """Learn from the step unless a neighbour was lost in it."""
        updates = self._controller.updates
        if not fault:
            try:
                report = self._driver.run(self._controller.learn(message.step, message.episode, message.stage_cost),
                                          interrupted=self._interruption)
            except ExchangeTimeout as timeout:
                self._driver.give_up(GIVEN_UP)
                fault = str(timeout)
        if fault:
            self._controller.abandon()
            report = self._controller.void(fault)
        if report.fault:
            self.get_logger().warning(f'step {message.step}: {report.fault}', throttle_duration_sec=1.0)
        if report.updates != updates:
            self._publish_parameters(message)
        return report

    def _publish_parameters(self, message: msg.State) -> None:
        self._parameters_publisher.publish(parameters_to_msg(
            self._controller.mpc.theta, self._controller.mpc.layout, stamp=message.stamp, run=message.run,
            step=message.step, agent=self._index, updates=self._controller.updates))


def main() -> int:
    """The executable dmpcrl_agent, all imported."""
    return run_node(AgentNode, 'dmpcrl_agent')


if __name__ == '__main__':
    sys.exit(main())
