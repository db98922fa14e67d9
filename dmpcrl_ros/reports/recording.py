"""A run in this process, recorded as it happens."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dmpcrl_ros.reports.run_directory import RunWriter
from dmpcrl_ros.settings import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step


def recorded(settings: Settings, output: str | Path, *, central: bool = False) -> Iterator[Step]:
    """The transitions of a run, each after it was written to the directory `output`; an interruption keeps what there
    is.

    Args:
        central: control with the centralised twin instead of the agents.

    Raises:
        RunDirectoryError: the directory holds a run already, or cannot be written to.
        ArithmeticError: the closed loop has diverged.
    """
    network = settings.network()
    loop = ClosedLoop(network, settings, central)
    with RunWriter(output, network, settings, extra={'transport': 'in process', 'central': central}) as writer:
        known = [0] * network.n_agents
        for index, (updates, theta) in enumerate(_parameters(loop, central)):
            writer.record_parameters(index, 0, updates, theta)
        for step in loop.run(settings.steps):
            writer.record(step)
            for index, (updates, theta) in enumerate(_parameters(loop, central)):
                if updates != known[index]:  # in the control step that ended this transition
                    writer.record_parameters(index, step.step + 1, updates, theta)
                    known[index] = updates
            yield step


def _parameters(loop: ClosedLoop, central: bool) -> Iterator[tuple[int, np.ndarray]]:
    """(updates, theta_i) of every agent; the centralised controller's parameters are the agents' in their order."""
    if not central:
        yield from ((agent.updates, agent.mpc.theta) for agent in loop.agents)
        return
    controller = loop.agents[0]
    sizes = [loop.network.parameters(i)[0].size for i in range(loop.network.n_agents)]
    for theta in np.split(controller.mpc.theta, np.cumsum(sizes)[:-1]):
        yield controller.updates, theta
