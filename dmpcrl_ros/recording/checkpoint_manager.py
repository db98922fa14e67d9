# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Saving and restoring of the checkpoints of one agent."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from dmpcrl_ros.core.agent import Agent
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.recording.checkpoints import Checkpoint, CheckpointError, CheckpointFolder, ForeignCheckpointError

_NO_FOLDER = 'the parameter checkpoints does not name a folder'


class Log(Protocol):
    """Log of a node, or of a program without nodes."""

    def info(self, message: str) -> object:
        """Tell what happens."""

    def error(self, message: str) -> object:
        """Tell what has failed."""


class CheckpointManager:
    """Saves and restores the snapshot of an agent.

    Service calls may arrive during a step, so changes of the agent wait until the step has ended.

    Attributes:
        trouble: reason why the last checkpoint could not be saved; empty if it was.

    Args:
        agent: whose snapshot is saved.
        name: of the agent.
        folder: of its checkpoints; None keeps nothing.
        every: updates between two checkpoints; None saves on request and at the end.
        learn: whether the agent learns.
        log: for what was restored or could not be saved.
        begin: gives the agent the parameters to begin with, where it has no checkpoint; None for its own. It is called
            once: what it reads may change or go.
    """

    def __init__(
        self,
        agent: Agent,
        name: str,
        folder: CheckpointFolder | None,
        *,
        every: int | None,
        learn: bool,
        log: Log,
        begin: Callable[[Agent], None] | None = None,
    ):
        self._log, self._agent, self._name = log, agent, name
        self._first: Mapping[str, np.ndarray] | None = None
        self._every, self._learn, self._folder, self._begin = every, learn, folder, begin
        self._place = (0, 0)
        self._snapshot = agent.snapshot()
        self._updates = self._saved = self._tried = agent.updates
        self._due: list[Callable[[], object]] = []
        self._recovered_run = 0
        self.trouble = ''

    def recover(self) -> None:
        """Continue from the newest checkpoint, or begin with other parameters.

        Raises:
            SettingError: the parameters to begin with cannot be used, or there is no usable checkpoint and nothing to
                begin with, although learning is off.
        """
        try:
            if self._folder:
                self._folder.check_own()
        except ForeignCheckpointError as error:
            raise SettingError(f'{error}; choose another folder for checkpoints') from None
        if self._restore():
            return
        if self._begin:
            self._begin(self._agent)
            self._first = self._snapshot = self._agent.snapshot()
            self._updates = self._saved = self._tried = self._agent.updates
            self._log.info(f'{self._name} begins with the parameters of another run')
        elif self._folder and not self._learn:
            raise SettingError(
                f'no usable checkpoint of {self._name}: {self._folder.newest}; '
                'without learning the agent would be the untrained controller'
            )

    def begin_run(self, run: int) -> None:
        """Prepare the agent for a run of the plant.

        With checkpoints the agent keeps its parameters and, after a restart during a run, its memory. Otherwise it
        begins with the first parameters.
        """
        if not self._folder:
            self._begin_anew()
        elif run != self._recovered_run:
            self._agent.begin_run()
        self._recovered_run = 0

    def serve(self) -> bool:
        """Carry out the requests of services between two steps, and return whether there were any."""
        served = bool(self._due)
        while self._due:
            self._due.pop(0)()
        return served

    def keep(self, run: int, step: int) -> None:
        """Take a snapshot at the end of a step, and save it after enough updates."""
        self._remember((run, step))
        if self._every and self._updates >= self._tried + self._every:
            self._save()

    def save_if_changed(self) -> None:
        """Save the snapshot if there were updates since the last checkpoint."""
        if self._updates != self._saved:
            self._save()

    def save(self) -> tuple[bool, str]:
        """Save now.

        Returns:
            Whether it was saved, and a sentence about it.
        """
        if not self._folder:
            return False, _NO_FOLDER
        trouble = self._save()
        return not trouble, trouble or f'{self._saved} updates: {self._folder.newest}'

    def load(self) -> tuple[bool, str]:
        """Restore the newest checkpoint before the next step.

        Returns:
            Whether there is one, and a sentence about it.
        """
        if not self._load():
            return False, 'there is no usable checkpoint' if self._folder else _NO_FOLDER
        self._due.append(self._restore)
        return True, 'the newest checkpoint is used from the next step on'

    def reset(self) -> tuple[bool, str]:
        """Restore the first parameters before the next step.

        Returns:
            True, and a sentence about it.
        """
        self._due.append(self._reset)
        return True, 'the first parameters are used from the next step on'

    def _remember(self, place: tuple[int, int]) -> None:
        self._place, self._updates = place, self._agent.updates
        if self._folder:
            self._snapshot = self._agent.snapshot()

    def _save(self) -> str:
        """Save the snapshot of the last step, and return the reason of a failure; empty without one."""
        if not self._folder:
            return _NO_FOLDER
        self._tried = self._updates  # also after a failure, to limit the number of warnings
        try:
            self._folder.save(Checkpoint(self._snapshot, *self._place))
        except CheckpointError as error:
            self.trouble = str(error)
            self._log.error(self.trouble)
            return self.trouble
        self._saved, self.trouble = self._updates, ''
        return ''

    def _load(self, restore: Callable[[Mapping[str, np.ndarray]], None] | None = None) -> Checkpoint | None:
        if not self._folder:
            return None
        checkpoint, refused = self._folder.load(restore)
        for reason in refused:
            self._log.error(reason)
        return checkpoint

    def _restore(self) -> bool:
        """Restore the newest checkpoint that the agent accepts, and return whether there is one."""
        if not (checkpoint := self._load(self._agent.restore)):
            return False
        self._snapshot = checkpoint.arrays
        self._updates = self._saved = self._tried = self._agent.updates
        self._recovered_run = checkpoint.run
        self._log.info(f'{self._name} continues from {self._updates} updates')
        return True

    def _reset(self) -> None:
        self._begin_anew()
        self._updates = self._tried = self._agent.updates  # the last checkpoint has more updates and is replaced

    def _begin_anew(self) -> None:
        """Give the agent its first parameters."""
        self._agent.reset()
        if self._first is not None:
            self._agent.restore(self._first)
        self._snapshot = self._agent.snapshot()
