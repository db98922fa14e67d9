"""The node of one agent.

Subscribes: /<agent>/state (State, latched), /<neighbour>/to/<agent> (Exchange) for every neighbour.
Publishes: /<agent>/action (Action), /<agent>/status (Status), /<agent>/parameters (Parameters, latched),
/<agent>/to/<neighbour> (Exchange) for every neighbour, /<agent>/ready (std_msgs/UInt64, latched: its launch) once it is
connected to its neighbours and to the plant.
Parameters: those of settings.AgentSettings.
"""

import sys
import time

import numpy as np
import rclpy
from rclpy.node import Node
from std_msgs.msg import UInt64

from dmpcrl_ros import msg
from dmpcrl_ros.controllers.build import distributed_agent
from dmpcrl_ros.controllers.learning_agent import StepReport
from dmpcrl_ros.coordination.exchange import ExchangeTimeout
from dmpcrl_ros.nodes.common import declare, run_node, wait_until_matched
from dmpcrl_ros.settings import AgentSettings
from dmpcrl_ros.transport.conversions import (
    MessageError,
    action_to_msg,
    parameters_to_msg,
    signal_from_msg,
    status_to_msg,
    vector_from_msg,
)
from dmpcrl_ros.transport.driver import RosDriver, make_executor
from dmpcrl_ros.transport.qos import HISTORY, LATCHED, STREAM, agent_topic, ready_topic
from dmpcrl_ros.transport.runs import OTHER_LAUNCH, belongs


class AgentNode(Node):
    """Runs a LearningAgent: a state comes, the action goes out, then the agent learns."""

    def __init__(self) -> None:
        super().__init__('controller')
        self.settings = declare(self, AgentSettings)
        network = self.settings.network()
        self._index = network.index(self.settings.agent)
        self._data = network.local[self._index]
        self._controller = distributed_agent(network, self._index, self.settings)
        self._executor = make_executor()
        self._executor.add_node(self)
        self._driver = RosDriver(self, self._executor, agent=self._index, names=dict(enumerate(network.agents)),
                                 neighbours=network.graph.neighbours[self._index],
                                 round_timeout=self.settings.round_timeout, launch=self.settings.launch)
        name = self.settings.agent
        self._action = self.create_publisher(msg.Action, agent_topic(name, 'action'), HISTORY)
        self._status = self.create_publisher(msg.Status, agent_topic(name, 'status'), HISTORY)
        self._parameters = self.create_publisher(msg.Parameters, agent_topic(name, 'parameters'), HISTORY)
        self._ready = self.create_publisher(UInt64, ready_topic(name), LATCHED)
        self._state: msg.State | None = None
        self._done = (0, 0)
        self._answer: msg.Action | None = None

    def run(self) -> None:
        """Wait for the network, then answer states until shut down."""
        wait_until_matched(self, self._executor, self._missing, self.settings.start_timeout)
        topic = agent_topic(self.settings.agent, 'state')
        self.create_subscription(msg.State, topic, self._on_state, STREAM)
        self._ready.publish(UInt64(data=self.settings.launch))
        while rclpy.ok():
            if self._state is None:
                self._executor.spin_once(timeout_sec=0.5)
            else:
                state, self._state = self._state, None
                self._step(state)

    def _missing(self) -> list[str]:
        return self._driver.unmatched() + ([] if self._action.get_subscription_count() else ['the plant'])

    def _on_state(self, message: msg.State) -> None:
        if not belongs(message.run, self.settings.launch):
            self._driver.mailbox.dropped[OTHER_LAUNCH] += 1
            return
        try:
            self._observation(message)
        except MessageError as reason:
            self._driver.mailbox.dropped[str(reason)] += 1
            self.get_logger().warning(f'state of step {message.step} dropped: {reason}')
            return
        if (message.run, message.step) == self._done and self._answer:
            self._action.publish(self._answer)  # the plant asks again: the answer was lost
        elif (message.run, message.step) > self._done:
            self._state = message

    def _observation(self, message: msg.State) -> tuple[np.ndarray, np.ndarray]:
        """State (n_x,) and signal (n_d,)."""
        return (vector_from_msg(message, self._index, self._data.n_states),
                signal_from_msg(message, self._data.n_signals))

    def _step(self, message: msg.State) -> None:
        started = time.perf_counter()
        if message.run != self._done[0]:
            self._controller.reset()
            self._publish_parameters(message)
        self._done = (message.run, message.step)
        self._driver.begin_step(message.run, message.step)
        fault = ''
        try:
            action = self._driver.run(self._controller.act(message.step, *self._observation(message)))
            fallback = self._controller.fell_back
        except ExchangeTimeout as timeout:
            action, fallback, fault = self._controller.fallback(), True, str(timeout)
        self._answer = action_to_msg(stamp=message.stamp, run=message.run, step=message.step, agent=self._index,
                                     action=action, fallback=fallback)
        self._action.publish(self._answer)
        action_time = time.perf_counter() - started
        self._publish_status(message, self._learn(message, fault), action_time, started)

    def _learn(self, message: msg.State, fault: str) -> StepReport:
        """Learn from the step unless a neighbour was lost in it."""
        updates = self._controller.updates
        if not fault:
            try:
                report = self._driver.run(self._controller.learn(message.step, message.episode, message.stage_cost))
            except ExchangeTimeout as timeout:
                fault = str(timeout)
        if fault:
            self._controller.abandon()
            report = StepReport(updates=self._controller.updates, fault=fault)
        if report.fault:
            self.get_logger().warning(f'step {message.step}: {report.fault}', throttle_duration_sec=1.0)
        if report.updates != updates:
            self._publish_parameters(message)
        return report

    def _publish_status(self, message: msg.State, report: StepReport, action_time: float, started: float) -> None:
        self._status.publish(status_to_msg(
            report, stamp=message.stamp, run=message.run, step=message.step, agent=self._index,
            rounds=self._driver.rounds, action_time=action_time, step_time=time.perf_counter() - started,
            timeouts=self._driver.timeouts, dropped=self._driver.dropped))

    def _publish_parameters(self, message: msg.State) -> None:
        self._parameters.publish(parameters_to_msg(
            self._controller.mpc.theta, self._controller.mpc.layout, stamp=message.stamp, run=message.run,
            step=message.step, agent=self._index, updates=self._controller.updates))


def main() -> int:
    """The executable dmpcrl_agent, all imported."""
    return run_node(AgentNode, 'dmpcrl_agent')


if __name__ == '__main__':
    sys.exit(main())
