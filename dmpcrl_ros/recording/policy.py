# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parameters that were learned in a recorded run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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

    def labels(self, agent: str) -> list[str]:
        """Labels of the elements of theta_i, as of ParameterLayout; empty for an agent that the run does not have.

        Raises:
            RunDirectoryError: there is no such run.
        """
        history = load_run(self.run).parameters.get(agent)
        return list(history.labels) if history else []

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


def digest(*parts: bytes) -> str:
    """Short SHA-256 of these parts."""
    return hashlib.sha256(b''.join(parts)).hexdigest()[:16]
