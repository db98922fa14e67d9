# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The simulator as a ROS 2 node that knows standard messages only, as the driver of a robot would be.

Publishes: /joint_states (sensor_msgs/JointState: position [m], velocity [m/s] and motor force [N] of every cart) and
/clock (rosgraph_msgs/Clock), both at every tick of simulated time.
Subscribes: /<cart>_effort_controller/commands (std_msgs/Float64MultiArray of one element: force [N]) of every cart.
Services: /simulator/reset (std_srvs/Trigger): back to the initial state and the beginning of the gusts; the clock goes
on.
With brakes, the carts rest in the initial state until the first command: only then do the gusts and the record begin.
"""

import math
import time
from collections import Counter

import numpy as np
from builtin_interfaces.msg import Time
from carts import Carts
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from record import Record, Row
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

TICK = 0.01  # s of simulated time between two messages
COMMAND_TIMEOUT = 0.5  # s of simulated time after which a motor whose command is that old is switched off
_LATEST = 0.1  # s of wall time that are not caught up when the machine was too slow


class Simulator(Node):
    """Moves the carts at wall time multiplied by a rate.

    Args:
        carts: to be simulated.
        record: takes every row.
        rate: seconds of simulated time per second.
        brakes: whether the carts are held in the initial state until the first command.
    """

    def __init__(self, carts: Carts, record: Record, rate: float, brakes: bool = False):
        super().__init__('simulator')
        self._carts, self._record, self._rate, self._brakes = carts, record, rate, brakes
        n_carts = len(carts.names)
        self._commands, self._commanded_at = np.zeros(n_carts), np.full(n_carts, -math.inf)
        self.largest, self.ignored = np.zeros(n_carts), Counter()
        self._ticks, self._started, self._stopped = 0, 0.0, False
        self._joint_states = self.create_publisher(JointState, '/joint_states', 10)
        self._clock = self.create_publisher(
            Clock, '/clock', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        )
        for i, name in enumerate(carts.names):
            self.create_subscription(Float64MultiArray, f'/{name}_effort_controller/commands', self._receiver(i), 10)
        self.create_service(Trigger, '~/reset', self._on_reset)

    @property
    def time(self) -> float:
        """Simulated time since the start [s]."""
        return self._ticks * TICK

    def run(self, duration: float) -> None:
        """Simulate for a duration [s] of simulated time, or until `stop` if it is zero."""
        executor = SingleThreadedExecutor()
        executor.add_node(self)
        due = time.monotonic()
        while not self._stopped and (not duration or self.time < duration):
            self._publish()
            due = max(due + TICK / self._rate, time.monotonic() - _LATEST)
            executor.spin_once(timeout_sec=0.0)
            while not self._stopped and (left := due - time.monotonic()) > 0.0:
                executor.spin_once(timeout_sec=min(left, 0.1))
            self._advance()
        executor.shutdown()

    def stop(self) -> None:
        """End the simulation after the present tick; for handlers of signals."""
        self._stopped = True

    @property
    def _held(self) -> bool:
        return self._brakes and not np.isfinite(self._commanded_at).any()

    def _advance(self) -> None:
        held, fresh = self._held, self.time - self._commanded_at <= COMMAND_TIMEOUT
        self._ticks += 1
        if held:
            return
        carts = self._carts
        carts.advance(np.where(fresh, self._commands, 0.0), TICK)
        self._record.add(
            Row(
                self.time,
                carts.time,
                carts.positions,
                carts.velocities,
                carts.forces,
                self._commands.copy(),
                self.largest.copy(),
                carts.gusts,
            )
        )

    def _publish(self) -> None:
        nanoseconds = round(self.time * 1e9)
        stamp = Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
        message = JointState(
            name=self._carts.names,
            position=self._carts.positions.tolist(),
            velocity=self._carts.velocities.tolist(),
            effort=self._carts.forces.tolist(),
        )
        message.header.stamp = stamp
        self._joint_states.publish(message)
        self._clock.publish(Clock(clock=stamp))

    def _receiver(self, cart: int):
        def receive(message: Float64MultiArray) -> None:
            if len(message.data) != 1:
                self.ignored['wrong size'] += 1
            elif not math.isfinite(message.data[0]):
                self.ignored['not finite'] += 1
            else:
                self._commands[cart], self._commanded_at[cart] = message.data[0], self.time
                self.largest[cart] = max(self.largest[cart], abs(message.data[0]))

        return receive

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._carts.reset()
        self._commands[:], self._commanded_at[:] = 0.0, -math.inf
        response.success, response.message = True, f'back to the initial state at {self.time:.2f} s'
        return response
