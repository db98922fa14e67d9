# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Node of a simulated plant: see control_loop for its topics and services.

Also publishes: /clock (rosgraph_msgs/Clock).
Parameters: the common settings, those of the system (settings.run), and those of settings.nodes.PlantSettings.
"""

import sys

import numpy as np
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from dmpcrl_ros.nodes.common import run_node
from dmpcrl_ros.nodes.control_loop import ControlLoopNode
from dmpcrl_ros.settings.nodes import PlantSettings
from dmpcrl_ros.simulation.episodes import Episodes, PlantStep
from dmpcrl_ros.systems.system import System
from dmpcrl_ros.transport.qos import CLOCK


class SimulatedSystem:
    """A simulated plant, which advances when inputs are applied.

    Args:
        system: to be simulated.
        seed: of its noise.
    """

    def __init__(self, system: System, seed: int):
        self._system, self._seed, self._plant = system, seed, system.plant(seed)

    def reset(self) -> None:
        """Return to the initial state and the beginning of the noise."""
        self._plant.reset(self._seed)
        self._episodes = Episodes(self._system, self._plant)

    def observe(self) -> PlantStep:
        """Present step."""
        return self._episodes.observe()

    def apply(self, actions: list[np.ndarray]) -> None:
        """Advance by one control step.

        Raises:
            ArithmeticError: the state is no longer finite.
        """
        self._episodes.apply(actions)

    def skip(self) -> None:
        """Do nothing: a simulation does not move between its steps."""

    def make_safe(self) -> None:
        """Do nothing: a simulation does not move without inputs."""


class PlantNode(ControlLoopNode[PlantSettings]):
    """Closes the loop of a simulated plant."""

    def __init__(self) -> None:
        super().__init__('plant', PlantSettings)

    def make_interface(self) -> SimulatedSystem:
        """Make the simulation, and the publisher of its clock."""
        self._clock_publisher = self.create_publisher(Clock, '/clock', CLOCK)
        return SimulatedSystem(self.system, self.settings.seed)

    def tick(self, moment: Time) -> None:
        """Publish the time of the step."""
        self._clock_publisher.publish(Clock(clock=moment.to_msg()))


def main() -> int:
    """Run the executable dmpcrl_plant."""
    return run_node(PlantNode, 'dmpcrl_plant')


if __name__ == '__main__':
    sys.exit(main())
