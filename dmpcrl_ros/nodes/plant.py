# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The node of a simulated plant: see control_loop for its topics and services.

Publishes besides: /clock (rosgraph_msgs/Clock).
Parameters: the common settings, those of the system (settings.run), and those of settings.nodes.PlantSettings.
"""

import sys

import numpy as np
from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock

from dmpcrl_ros.nodes.common import run_node
from dmpcrl_ros.nodes.control_loop import ControlLoopNode
from dmpcrl_ros.settings.nodes import PlantSettings
from dmpcrl_ros.simulation.episodes import Episodes, PlantStep
from dmpcrl_ros.systems.system import System
from dmpcrl_ros.transport.qos import CLOCK


class SimulatedSystem:
    """A simulated plant, which moves when inputs are applied to it.

    Args:
        system: to be simulated.
        seed: of its noise.
    """

    def __init__(self, system: System, seed: int):
        self._system, self._seed, self._plant = system, seed, system.plant(seed)

    def reset(self) -> None:
        """Back to the initial state and the beginning of the noise."""
        self._plant.reset(self._seed)
        self._episodes = Episodes(self._system, self._plant)

    def observe(self) -> PlantStep:
        """The present step."""
        return self._episodes.observe()

    def apply(self, actions: list[np.ndarray]) -> None:
        """One control step.

        Raises:
            ArithmeticError: the state has left the range of numbers.
        """
        self._episodes.apply(actions)

    def skip(self) -> None:
        """Do nothing: a simulation stands still between its steps."""

    def make_safe(self) -> None:
        """Do nothing: a simulation stands still without inputs."""


class PlantNode(ControlLoopNode[PlantSettings]):
    """Closes the loop of a simulated plant."""

    def __init__(self) -> None:
        super().__init__('plant', PlantSettings)

    def make_interface(self) -> SimulatedSystem:
        """The simulation, and the clock it sets."""
        self._clock_publisher = self.create_publisher(Clock, '/clock', CLOCK)
        return SimulatedSystem(self.system, self.settings.seed)

    def tick(self, stamp: Time) -> None:
        """Set the clock."""
        self._clock_publisher.publish(Clock(clock=stamp))


def main() -> int:
    """The executable dmpcrl_plant, all imported."""
    return run_node(PlantNode, 'dmpcrl_plant')


if __name__ == '__main__':
    sys.exit(main())
