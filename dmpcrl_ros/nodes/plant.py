"""The node of the plant, in lockstep: it advances when the actions of all agents are in.

Publishes: /<agent>/state (State, latched) for every agent, /clock (rosgraph_msgs/Clock), /plant/run (std_msgs/UInt64,
latched: its first run), on which it also hears of other plants: of several in a ROS domain the first is to go on alone.
Subscribes: /<agent>/action (Action) and /<agent>/ready (std_msgs/UInt64) for every agent, /monitor/ready if it is to
wait for a monitor.
Services: /plant/reset (std_srvs/Trigger): back to the initial state and the beginning of the noise, as a new run.
Parameters: those of settings.PlantSettings.
"""

import os
import sys
import time

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import UInt64
from std_srvs.srv import Trigger

from dmpcrl_ros import msg
from dmpcrl_ros.nodes.common import NodeFailure, declare, run_node, wait_until_matched
from dmpcrl_ros.settings import PlantSettings
from dmpcrl_ros.simulation.episodes import Episodes, Observation
from dmpcrl_ros.transport.conversions import MessageError, state_to_msg, vector_from_msg
from dmpcrl_ros.transport.driver import make_executor
from dmpcrl_ros.transport.qos import CLOCK, HISTORY, LATCHED, PLANT_TOPIC, agent_topic, ready_topic
from dmpcrl_ros.transport.runs import began_before, belongs, first_run

_ASK_AGAIN = 2.0  # s without an answer after which a state is published once more, should it have been lost


class PlantNode(Node):
    """Closes the loop of a simulated network."""

    def __init__(self) -> None:
        super().__init__('plant')
        self.settings = declare(self, PlantSettings)
        self._network = self.settings.network()
        self._plant = self._network.plant(self.settings.seed)
        self._executor = make_executor()
        self._executor.add_node(self)
        agents = self._network.agents
        self._states = [self.create_publisher(msg.State, agent_topic(name, 'state'), HISTORY) for name in agents]
        for i, name in enumerate(agents):
            self.create_subscription(msg.Action, agent_topic(name, 'action'), self._receiver(i), HISTORY)
        self._absent = {*agents, *(['monitor'] if self.settings.wait_for_monitor else [])}
        for name in sorted(self._absent):
            self.create_subscription(UInt64, ready_topic(name), self._ready_receiver(name), HISTORY)
        self._clock_publisher = self.create_publisher(Clock, '/clock', CLOCK)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self._run = self._first_run = first_run(self.settings.launch)
        self._elder_heard = False
        self._plants = self.create_subscription(UInt64, PLANT_TOPIC, self._on_plant, HISTORY)
        self._announcement = self.create_publisher(UInt64, PLANT_TOPIC, LATCHED)
        self._announcement.publish(UInt64(data=self._run))
        self._reset_asked = False
        self._seen: Observation | None = None

    def run(self) -> None:
        """Run, and run again after each reset, until shut down."""
        wait_until_matched(self, self._executor, self._missing, self.settings.start_timeout)
        self.get_logger().info(f'{self._network.name}: {self._network.n_agents} agents connected, '
                               f'{self.settings.steps} steps')
        while rclpy.ok():
            self._reset_asked = False
            self._plant.reset(self.settings.seed)
            self._simulate()
            while rclpy.ok() and not self._reset_asked:
                self._executor.spin_once(timeout_sec=0.5)
            self._run += 1

    def _missing(self) -> list[str]:
        """Who is not ready or cannot hear its state yet; anybody else may listen, too."""
        self._check_alone()
        listeners = 1 + self.settings.wait_for_monitor
        deaf = [name for name, state in zip(self._network.agents, self._states, strict=True)
                if state.get_subscription_count() < listeners]
        others = ['the end of another plant'] if self._plants.get_publisher_count() > 1 else []
        return [*sorted(self._absent.union(deaf)), *others]

    def _simulate(self) -> None:
        """All steps of a run. The agents answer the last state too: they learn from the last transition."""
        episodes = Episodes(self._network, self._plant)
        for step in range(self.settings.steps + 1):
            self._actions: list[np.ndarray | None] = [None] * self._network.n_agents
            self._seen = episodes.observe()
            self._publish()
            self._await_actions()
            if self._reset_asked:
                return
            if step < self.settings.steps:
                episodes.apply(self._actions)
        self.get_logger().info(f'run complete: {self.settings.steps} steps')

    def _publish(self, only_silent: bool = False) -> None:
        seen = self._seen
        nanoseconds = round(seen.step * (self.settings.period or self._network.period) * 1e9)
        stamp = Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
        self._clock_publisher.publish(Clock(clock=stamp))
        for agent, publisher in enumerate(self._states):
            if not only_silent or self._actions[agent] is None:
                publisher.publish(state_to_msg(
                    stamp=stamp, run=self._run, step=seen.step, episode=seen.episode, agent=agent,
                    state=seen.states[agent], signal=seen.signals[agent], stage_cost=seen.costs[agent]))

    def _await_actions(self) -> None:
        started = time.monotonic()
        ask_again = started + _ASK_AGAIN
        while not self._reset_asked and any(action is None for action in self._actions):
            self._check_alone()
            if not rclpy.ok():
                raise ExternalShutdownException
            now = time.monotonic()
            if now - started > self.settings.action_timeout:
                silent = [n for n, action in zip(self._network.agents, self._actions, strict=True) if action is None]
                raise NodeFailure(f'no action from {", ".join(silent)} for step {self._seen.step} '
                                  f'within {self.settings.action_timeout:g} s')
            if now > ask_again:
                self._publish(only_silent=True)
                ask_again = now + _ASK_AGAIN
            self._executor.spin_once(timeout_sec=0.5)

    def _on_plant(self, message: UInt64) -> None:
        self._elder_heard |= began_before(message.data, self._first_run)

    def _check_alone(self) -> None:
        if self._elder_heard:
            raise NodeFailure(f'another plant was there before in ROS domain {os.environ.get("ROS_DOMAIN_ID") or 0}: '
                              'choose another ROS_DOMAIN_ID for this run, or end the other one')

    def _ready_receiver(self, name: str):
        def receive(message: UInt64) -> None:
            if message.data == self.settings.launch:
                self._absent.discard(name)
        return receive

    def _receiver(self, agent: int):
        def receive(message: msg.Action) -> None:
            if not belongs(message.run, self.settings.launch):  # its plant may not have been heard yet
                self._elder_heard |= began_before(message.run, self._first_run)
                return
            if (message.run, message.step) != (self._run, self._seen.step if self._seen else None):
                return
            try:
                self._actions[agent] = vector_from_msg(message, agent, self._network.local[agent].n_inputs)
            except MessageError as reason:
                self.get_logger().warning(f'action of {self._network.agents[agent]} dropped: {reason}')
        return receive

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._reset_asked = True
        response.success, response.message = True, f'run {self._run + 1} begins'
        return response


def main() -> int:
    """The executable dmpcrl_plant, all imported."""
    return run_node(PlantNode, 'dmpcrl_plant')


if __name__ == '__main__':
    sys.exit(main())
