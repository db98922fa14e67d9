# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parameters that an agent begins with, from a recorded run or from checkpoints."""

from collections.abc import Callable
from pathlib import Path

from dmpcrl_ros.core.agent import Agent
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.recording.checkpoint_manager import CheckpointManager, Log
from dmpcrl_ros.recording.checkpoints import CheckpointFolder
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.run_files import CONFIGURATION, RunDirectoryError
from dmpcrl_ros.settings.deployment import LearnedSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.system import System

TWIN = 'centralised-twin'  # in place of the name of an agent, which has no hyphens


def checkpoints_of(
    agent: Agent, name: str, system: System, settings: Settings, learned: LearnedSettings, log: Log
) -> CheckpointManager:
    """Manager of the checkpoints of an agent, and of the parameters that it begins with.

    Args:
        agent: to be managed.
        name: of the agent, or TWIN.
        system: of the agent.
        settings: of the run.
        learned: where it keeps what it learns, and what it begins with.
        log: for what was restored or could not be saved.
    """

    def folder(path: str) -> CheckpointFolder:
        place = Path(path).expanduser()
        return CheckpointFolder(place, system.name, settings.method, name, agent.layout, system.names)

    return CheckpointManager(
        agent,
        name,
        folder(learned.checkpoints) if learned.checkpoints else None,
        every=learned.checkpoint_every,
        learn=settings.learn,
        log=log,
        begin=_start(learned.start_from, name, folder, system) if learned.start_from else None,
    )


def _start(place: str, name: str, folder: Callable[[str], CheckpointFolder], system: System) -> Callable[[Agent], None]:
    """Function that gives an agent the parameters of a run, or the snapshot of a checkpoint."""
    run = Path(place).expanduser()

    def begin(agent: Agent) -> None:
        if (run / CONFIGURATION).exists():
            try:
                Policy(run).give(agent, system.names if name == TWIN else [name])
            except (RunDirectoryError, QpFailure) as error:
                raise SettingError(f'start_from: {error}') from None
            return
        checkpoint, refused = folder(place).load(agent.restore)
        agent.begin_run()  # the transitions of another run have steps that come again in this one
        if checkpoint is None:
            reasons = ''.join(f'; {reason}' for reason in refused)
            raise SettingError(f'start_from: {run} holds neither a run nor a usable checkpoint of {name}{reasons}')

    return begin
