# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parameters that were learned in a recorded run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmpcrl_ros.core.agent import Agent
from dmpcrl_ros.recording.recorded_run import ParameterHistory
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_run


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

    def give(self, agent: Agent, members: Sequence[str]) -> None:
        """Give an agent its parameters, or the centralised twin those of all its members.

        Args:
            agent: gets the parameters.
            members: names of the agents that it stands for.

        Raises:
            RunDirectoryError: there is no such run, or its parameters are not those of this agent.
            QpFailure: its problem has no solution with them.
        """
        histories = load_run(self.run).parameters
        theta = np.concatenate([self._theta(histories.get(name), name) for name in members])
        labels = [label for name in members for label in histories[name].labels]
        if theta.size != agent.layout.size or (len(members) == 1 and labels != _plain(agent.layout.labels, members[0])):
            raise RunDirectoryError(f'{self.run} has other parameters of {", ".join(members)} than this run')
        agent.theta = theta

    def described(self) -> dict[str, Any]:
        """Description of JSON types. Its digest changes when another run replaces this one."""
        history = load_run(self.run).parameters
        return {
            'run': self.run.name,
            'updates': self.updates,
            'digest': digest(*(theta.tobytes() for theta in self.thetas(sorted(history)))),
        }

    def _theta(self, history: ParameterHistory | None, agent: str) -> np.ndarray:
        if history is not None:
            rows = [row for row, updates in enumerate(history.updates) if self.updates in (None, updates)]
            if rows:
                return history.theta[rows[-1]]
        after = '' if self.updates is None else f' after {self.updates} updates'
        raise RunDirectoryError(f'{self.run} has no recorded parameters of {agent}{after}')


def _plain(labels: Sequence[str], name: str) -> list[str]:
    """Labels without the name of the agent, which a centralised twin puts before them."""
    return [label.removeprefix(f'{name}.') for label in labels]


def digest(*parts: bytes) -> str:
    """Short SHA-256 of these parts."""
    return hashlib.sha256(b''.join(parts)).hexdigest()[:16]
