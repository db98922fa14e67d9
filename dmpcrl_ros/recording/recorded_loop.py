# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A run in this process, recorded step by step, with the first parameters or with those of an earlier run."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmpcrl_ros.recording.recorded_run import ParameterHistory
from dmpcrl_ros.recording.run_directory import RunWriter
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step


@dataclass(frozen=True)
class Policy:
    """Parameters learned in a run.

    Args:
        run: its directory.
        updates: number of updates after which they are taken; None for all.
    """

    run: Path
    updates: int | None = None

    def thetas(self, agents: Sequence[str]) -> list[np.ndarray]:
        """theta_i (p_i,) of each agent.

        Raises:
            RunDirectoryError: there is no such run, or it has no parameters after this number of updates.
        """
        histories = load_run(self.run).parameters
        return [self._theta(histories.get(agent), agent) for agent in agents]

    def described(self) -> dict[str, Any]:
        """Description of JSON types. Its digest changes when another run replaces this one."""
        history = load_run(self.run).parameters
        return {
            'run': self.run.name,
            'updates': self.updates,
            'digest': _digest(*(theta.tobytes() for theta in self.thetas(sorted(history)))),
        }

    def _theta(self, history: ParameterHistory | None, agent: str) -> np.ndarray:
        if history is not None:
            rows = [row for row, updates in enumerate(history.updates) if self.updates in (None, updates)]
            if rows:
                return history.theta[rows[-1]]
        after = '' if self.updates is None else f' after {self.updates} updates'
        raise RunDirectoryError(f'{self.run} has no recorded parameters of {agent}{after}')


def recorded(
    settings: Settings, output: str | Path, *, central: bool = False, policy: Policy | None = None
) -> Iterator[Step]:
    """Transitions of a run, each written to the directory `output` before it is yielded.

    Args:
        settings: of the run.
        output: directory of the run.
        central: control with the centralised twin instead of the agents.
        policy: parameters to begin with; None for those of the system.

    Raises:
        RunDirectoryError: the directory already holds a run or cannot be written to, or the run of the policy cannot be
            read.
        SettingError: the method has no centralised twin.
        ArithmeticError: the closed loop has diverged.
    """
    system, method = settings.make_system(), settings.make_method()
    loop = ClosedLoop(system, settings, central)
    sizes = [method.layout(system, i).size for i in range(system.n_agents)]
    if policy:
        _adopt(policy, loop, sizes)
    extra = {
        'transport': 'in process',
        'central': central,
        'policy': policy and policy.described(),
        'system_digest': system_digest(settings),
    }
    with RunWriter(output, system, settings, extra=extra) as writer:
        known = [0] * system.n_agents
        for index, (updates, theta) in enumerate(_parameters(loop, sizes)):
            writer.record_parameters(index, 0, updates, theta)
        for step in loop.run(settings.steps):
            writer.record(step)
            for index, (updates, theta) in enumerate(_parameters(loop, sizes)):
                if updates != known[index]:  # in the control step that ended this transition
                    writer.record_parameters(index, step.step + 1, updates, theta)
                    known[index] = updates
            yield step


def system_digest(settings: Settings) -> str:
    """Digest of the file that describes the system, which may change between two runs; empty without a file."""
    path = Path(settings.system).expanduser()
    return _digest(path.read_bytes()) if path.suffix in ('.yaml', '.yml') and path.exists() else ''


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b''.join(parts)).hexdigest()[:16]


def _adopt(policy: Policy, loop: ClosedLoop, sizes: Sequence[int]) -> None:
    """Set the parameters of the agents to those of a policy, which must have the same sizes."""
    thetas = policy.thetas(loop.system.names)
    if [len(theta) for theta in thetas] != list(sizes):
        raise RunDirectoryError(f'{policy.run} has parameters of other sizes than those of {loop.system.name}')
    central = len(loop.agents) < len(thetas)
    for agent, theta in zip(loop.agents, [np.concatenate(thetas)] if central else thetas, strict=True):
        agent.theta = theta


def _parameters(loop: ClosedLoop, sizes: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(updates, theta_i) of every agent; those of the centralised controller are split by agent."""
    if len(loop.agents) == len(sizes):
        yield from ((agent.updates, agent.theta) for agent in loop.agents)
        return
    (controller,) = loop.agents
    for theta in np.split(controller.theta, np.cumsum(sizes)[:-1]):
        yield controller.updates, theta
