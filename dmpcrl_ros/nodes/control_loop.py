# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Node that closes the loop between the agents and a plant.

It is a lifecycle node that publishes states and applies inputs, in lockstep or in real time.

Publishes: <agent>/state (State, latched) for every agent, plant/presence (Presence, latched), to which it also
subscribes, to detect another plant in the namespace; diagnostics.
Subscribes: <agent>/action (Action) and <agent>/presence (Presence) for every agent, monitor/presence if it waits for a
monitor. All names are relative to the namespace of the system.
Services (std_srvs/Trigger): ~/pause, ~/resume; ~/step: one step of a paused plant; ~/reset: a new run.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from rclpy.time import Time
from std_srvs.srv import Trigger

from dmpcrl_ros.nodes.common import NodeFailure, answer, wait_until_matched
from dmpcrl_ros.nodes.diagnostics import LoopDiagnostics
from dmpcrl_ros.nodes.managed import ManagedNode
from dmpcrl_ros.nodes.presence import Presence, check
from dmpcrl_ros.nodes.signals import SPIN_SLICE, running
from dmpcrl_ros.nodes.step_control import StepControl
from dmpcrl_ros.nodes.system_interface import SystemInterface
from dmpcrl_ros.settings.agreement import agreement
from dmpcrl_ros.settings.nodes import PlantSettings
from dmpcrl_ros.simulation.episodes import PlantStep
from dmpcrl_ros.topics import MONITOR, PLANT
from dmpcrl_ros.transport.loop_timer import LoopTimer
from dmpcrl_ros.transport.loop_topics import LoopTopics
from dmpcrl_ros.transport.watchdog import ActionWatchdog

_DELIVERY = 0.5  # s, in which the states of a step in lockstep must have arrived before the next ones replace them
_ASK_AGAIN = 2.0  # s without an answer after which a state is published again


LoopSettingsT = TypeVar('LoopSettingsT', bound=PlantSettings)


class ControlLoopNode(ManagedNode[LoopSettingsT]):
    """Closes the loop of a plant and its agents.

    Args:
        name: of the node.
        kind: class of its settings.
    """

    def __init__(self, name: str, kind: type[LoopSettingsT]):
        super().__init__(name, kind)

    def make_interface(self) -> SystemInterface:
        """Make the interface to the plant."""
        raise NotImplementedError

    def configure(self) -> None:
        """Make the plant and the topics."""
        options = self.options
        self.system = self.settings.make_system()
        self._interface = self.make_interface()
        self._watchdog = ActionWatchdog(self.system.agents)
        self._period = options.period_of(self.system)
        self.timer = LoopTimer(self._period / options.speed)
        self._topics = LoopTopics(self, self.system)
        self._run = time.time_ns()  # greater than that of any earlier plant
        members = [*self.system.names, *([MONITOR] if options.wait_for_monitor else [])]
        agreed = agreement(self.settings, options, self.system, of_method=False)
        self._presence = Presence(self, PLANT, agreed, members)
        self._seen: PlantStep | None = None
        self._begun = self._reset_asked = self.complete = False
        self._step_control = StepControl(self)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self._diagnostics = LoopDiagnostics(self)

    def work(self) -> None:
        """Run the system, again after each reset."""
        wait_until_matched(self, self.executor_, self.missing, self.options.start_timeout)
        if not self.active:
            return
        self.get_logger().info(
            f'{self.system.name}: {self.system.n_agents} agents connected, {self.settings.steps} steps'
        )
        self._presence.announce(ready=True)
        while self._goes_on():
            if not self._begun:
                self._begun, self._reset_asked, self.complete = True, False, False
                self._interface.reset()
                self._watchdog.reset()
                self.timer = LoopTimer(self._period / self.options.speed)
                self._seen = None
                self._topics.expect(None)
            self._close_loop()
            while self._goes_on() and not self._reset_asked:
                self.executor_.spin_once(timeout_sec=SPIN_SLICE)
            if self._reset_asked:
                self._begun, self._run = False, self._run + 1

    def halt(self) -> None:
        """Leave the plant safe."""
        self._leave_safe()
        self._presence.announce(ready=False)

    def release(self) -> None:
        """Drop the plant."""
        del self._interface, self._watchdog, self._topics, self._presence, self._step_control, self._diagnostics

    def tick(self, moment: Time) -> None:
        """Publish the time of a step."""

    def _close_loop(self) -> None:
        """Run all steps. The agents answer the last state, too, to learn from the last transition."""
        self.timer.begin()
        while self._goes_on() and not self._reset_asked:
            if not self._admitted():
                continue
            if not (seen := self._observe()):
                self._step_control.take_back()
                continue
            self.timer.start()
            self._publish(seen)
            self._await_actions(seen)
            if not self._goes_on() or self._reset_asked:
                return
            if seen.step == self.settings.steps:
                self._end()
                return
            self._interface.apply(self._watchdog.choose(self._topics.actions, self.options.hold_steps))
            if self.options.real_time:
                self._await_tick()

    def _observe(self) -> PlantStep | None:
        """Observe the plant, and leave it safe without a reliable measurement."""
        self._seen = self._interface.observe()
        self._topics.expect((self._run, self._seen.step) if self._seen else None)
        if self._seen is None:
            self.get_logger().warning(f'no measurement: {self.stale_measurements()}', throttle_duration_sec=1.0)
            self._leave_safe()
            self._spin_until(self.timer.tick())
        return self._seen

    def _leave_safe(self) -> None:
        """Apply the safe inputs until the next step; the former inputs are then too old to be held."""
        self._interface.make_safe()
        self._watchdog.reset()

    def stale_measurements(self) -> str:
        """Names of the measurements that are too old."""
        return ''

    def _admitted(self) -> bool:
        """Whether a step may begin; a paused loop is left safe."""
        stood = self._step_control.held
        if self._step_control.admits():
            return True
        if not stood:
            self._leave_safe()
            self._told = time.monotonic()
        if self._seen and time.monotonic() > self._told + _ASK_AGAIN:  # a silent plant counts as lost
            self._publish(self._seen)
        self.executor_.spin_once(timeout_sec=0.1)
        self.timer.begin()
        return False

    def _await_tick(self) -> None:
        skipped = self.timer.skipped
        self._spin_until(self.timer.tick())
        if late := self.timer.skipped - skipped:
            self._interface.skip()
            self.get_logger().warning(
                f'{late} ticks skipped after step {self.step}, {self.timer.skipped} in this run: the inputs acted for '
                f'{1 + late} periods of {self._period:g} s',
                throttle_duration_sec=1.0,
            )

    def _end(self) -> None:
        self._interface.make_safe()
        self.complete = True
        further = '' if self.options.wait_for_monitor else f'; {self.get_name()}/reset begins another run'
        self.get_logger().info(f'run complete: {self.settings.steps} steps{further}')
        if self.options.real_time:
            self.get_logger().info(f'real time: {self.timer.report()}')

    def _goes_on(self) -> bool:
        self._presence.check_alone()
        return self.active and running()

    def missing(self) -> list[str]:
        """Names of the nodes that are not ready or have not subscribed to the state; other nodes may subscribe, too."""
        if not self.active:
            return []
        check([self._presence])
        listeners = 1 + self.options.wait_for_monitor
        unheard = self._topics.without_subscribers(listeners)
        return sorted(unheard.union(self._presence.missing(), self._presence.not_ready()))

    def _publish(self, seen: PlantStep, only_silent: bool = False) -> None:
        if not self.options.real_time:
            self._topics.await_delivery(_DELIVERY)
        self._told = time.monotonic()
        simulated = round(seen.step * self._period * 1e9)
        stamps = [simulated] * self.system.n_agents if seen.stamps is None else seen.stamps
        self.tick(Time(nanoseconds=simulated))
        self._topics.publish(seen, run=self._run, stamps=stamps, skipped=self.timer.skipped, only_silent=only_silent)

    def _await_actions(self, seen: PlantStep) -> None:
        """Wait until all actions have arrived or, in real time, until the inputs must be applied."""
        if self.options.real_time:
            self._spin_until(self.timer.last_call(), lambda: not self.silent())
            self.timer.note(not self.silent())
            return
        started = time.monotonic()
        while self._goes_on() and not self._reset_asked and self.silent():
            now = time.monotonic()
            timeout = self.options.action_timeout
            if timeout and now - started > timeout:
                raise NodeFailure(
                    f'no action from {", ".join(self.silent())} for step {seen.step} within {timeout:g} s'
                )
            if now > self._told + _ASK_AGAIN:
                self._publish(seen, only_silent=True)
            self.executor_.spin_once(timeout_sec=SPIN_SLICE)

    @property
    def step(self) -> int:
        """The present control step."""
        return self._seen.step if self._seen else 0

    def silent(self) -> list[str]:
        """Names of the agents whose actions of this step are missing."""
        return self._topics.silent()

    def blocking_reason(self) -> str:
        """Reason why the loop is not closed; empty if it is."""
        if self._step_control.held:
            return 'paused'
        return f'no measurement: {self.stale_measurements()}' if self._begun and self._seen is None else ''

    def _spin_until(self, moment: float, enough: Callable[[], object] = lambda: False) -> None:
        """Spin until a time of the monotonic clock, or until `enough` returns true."""
        while self._goes_on() and not enough() and (left := moment - time.monotonic()) > 0.0:
            self.executor_.spin_once(timeout_sec=min(left, SPIN_SLICE))

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._reset_asked = True
        return answer(response, True, 'a new run begins')
