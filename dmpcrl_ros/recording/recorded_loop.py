"""A run in this process, recorded as it happens, with the parameters of the scenario or of an earlier run."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmpcrl_ros.recording.recorded_run import RunDirectoryError, load_run
from dmpcrl_ros.recording.run_directory import RunWriter
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step


@dataclass(frozen=True)
class Policy:
    """Parameters that a run has learned.

    Args:
        run: its directory. updates: how many it had made; None for all of them.
    """

    run: Path
    updates: int | None = None

    def thetas(self, agents: Sequence[str]) -> list[np.ndarray]:
        """theta_i (p_i,) of each agent.

        Raises:
            RunDirectoryError: there is no such run, or it has no parameters of so many updates.
        """
        history = load_run(self.run).parameters
        found = []
        for agent in agents:
            rows = np.flatnonzero(history[agent].updates == self.updates) if self.updates is not None else (
                range(len(history[agent].theta)))
            if not len(rows):
                after = '' if self.updates is None else f' after {self.updates} updates'
                raise RunDirectoryError(f'{self.run} has no recorded parameters of {agent}{after}')
            found.append(history[agent].theta[rows[-1]])
        return found

    def described(self) -> dict[str, Any]:
        """Of JSON types: also whose parameters they are, should another run take the place of this one."""
        history = load_run(self.run).parameters
        return {'run': self.run.name, 'updates': self.updates,
                'digest': _digest(*(theta.tobytes() for theta in self.thetas(sorted(history))))}


def recorded(settings: Settings, output: str | Path, *, central: bool = False,
             policy: Policy | None = None) -> Iterator[Step]:
    """The transitions of a run, each after it was written to the directory `output`; an interruption keeps what there
    is.

    Args:
        central: control with the centralised twin instead of the agents.
        policy: parameters to begin with; None for those of the scenario.

    Raises:
        RunDirectoryError: the directory holds a run already, or cannot be written to; or the policy's cannot be read.
        ArithmeticError: the closed loop has diverged.
    """
    network = settings.network()
    loop = ClosedLoop(network, settings, central)
    if policy:
        thetas = policy.thetas(network.names)
        sizes = [network.parameters(i)[0].size for i in range(network.n_agents)]
        if [len(theta) for theta in thetas] != sizes:
            raise RunDirectoryError(f'{policy.run} has learned other parameters than {network.name} has now')
        for agent, theta in zip(loop.agents, [np.concatenate(thetas)] if central else thetas, strict=True):
            agent.mpc.theta = theta
    extra = {'transport': 'in process', 'central': central, 'policy': policy and policy.described(),
             'scenario_digest': scenario_digest(settings)}
    with RunWriter(output, network, settings, extra=extra) as writer:
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


def scenario_digest(settings: Settings) -> str:
    """Of the file that describes the scenario, which may be changed between two runs; empty where there is none."""
    path = Path(settings.scenario)
    return _digest(path.read_bytes()) if path.suffix in ('.yaml', '.yml') and path.exists() else ''


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b''.join(parts)).hexdigest()[:16]


def _parameters(loop: ClosedLoop, central: bool) -> Iterator[tuple[int, np.ndarray]]:
    """(updates, theta_i) of every agent; the centralised controller's parameters are the agents' in their order."""
    if not central:
        yield from ((agent.updates, agent.mpc.theta) for agent in loop.agents)
        return
    controller = loop.agents[0]
    sizes = [loop.network.parameters(i)[0].size for i in range(loop.network.n_agents)]
    for theta in np.split(controller.mpc.theta, np.cumsum(sizes)[:-1]):
        yield controller.updates, theta
