# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A run in this process, recorded step by step, with the first parameters or with those of an earlier run."""

import logging
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np

from dmpcrl_ros.recording.checkpoint_manager import CheckpointManager, Log
from dmpcrl_ros.recording.learned_start import TWIN, checkpoints_of
from dmpcrl_ros.recording.policy import Policy, digest
from dmpcrl_ros.recording.run_directory import RunWriter
from dmpcrl_ros.settings.deployment import LearnedSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step
from dmpcrl_ros.systems.system import System

_NO_RUN = 0  # number in place of that of a run over ROS 2, in which an agent can continue
_LOG = logging.getLogger(__name__)


def recorded(
    settings: Settings,
    output: str | Path,
    *,
    central: bool = False,
    policy: Policy | None = None,
    learned: LearnedSettings | None = None,
    log: Log = _LOG,
) -> Generator[Step, None, None]:
    """Transitions of a run, each written to the directory `output` before it is yielded.

    Args:
        settings: of the run.
        output: directory of the run.
        central: control with the centralised twin instead of the agents.
        policy: parameters to begin with; None for those of the system.
        learned: checkpoints that the agents keep, and parameters that they begin with; None for neither.
        log: for what was restored, or could not be saved.

    Raises:
        RunDirectoryError: the directory already holds a run or cannot be written to, or the run of the policy cannot be
            read.
        SettingError: the method has no centralised twin, or what the agents are to begin with cannot be used.
        ArithmeticError: the closed loop has diverged.
    """
    system, method = settings.make_system(), settings.make_method()
    loop = ClosedLoop(system, settings, central)
    sizes = [method.layout(system, i).size for i in range(system.n_agents)]
    if policy:
        for agent, members in zip(loop.agents, [system.names] if central else [[n] for n in system.names], strict=True):
            policy.give(agent, members)
    managers = _managers(loop, system, settings, central, learned or LearnedSettings(), log)
    for manager, agent in zip(managers, loop.agents, strict=False):
        manager.recover()
        agent.begin_run()
    extra = {
        'transport': 'in process',
        'central': central,
        'policy': policy and policy.described(),
        'start_from': learned.start_from if learned else '',
        'system_digest': system_digest(settings),
    }
    with RunWriter(output, system, settings, extra=extra) as writer:
        yield from _steps(loop, settings.steps, sizes, writer, managers)


def _managers(
    loop: ClosedLoop, system: System, settings: Settings, central: bool, learned: LearnedSettings, log: Log
) -> list[CheckpointManager]:
    """Manager of the checkpoints of each agent; none if nothing is kept or begun with."""
    if not (learned.checkpoints or learned.start_from):
        return []
    names = [TWIN] if central else system.names
    return [
        checkpoints_of(agent, name, system, settings, learned, log)
        for agent, name in zip(loop.agents, names, strict=True)
    ]


def _steps(
    loop: ClosedLoop, count: int, sizes: Sequence[int], writer: RunWriter, managers: Sequence[CheckpointManager]
) -> Generator[Step, None, None]:
    """Transitions of a closed loop, each with the parameters that have changed, written and kept before it is yielded.

    Args:
        loop: to be run.
        count: number of its transitions.
        sizes: numbers of parameters of the agents.
        writer: of the run.
        managers: of the checkpoints of the agents.
    """
    known = []
    for index, (updates, theta) in enumerate(_parameters(loop, sizes)):
        writer.record_parameters(index, 0, updates, theta)
        known.append(updates)
    try:
        for step in loop.run(count):
            writer.record(step)
            for index, (updates, theta) in enumerate(_parameters(loop, sizes)):
                if updates != known[index]:  # in the control step that ended this transition
                    writer.record_parameters(index, step.step + 1, updates, theta)
                    known[index] = updates
            for manager in managers:
                manager.keep(_NO_RUN, step.step)
            yield step
    finally:
        for manager in managers:
            manager.save_if_changed()


def system_digest(settings: Settings) -> str:
    """Digest of the file that describes the system, which may change between two runs; empty without a file."""
    path = Path(settings.system).expanduser()
    return digest(path.read_bytes()) if path.suffix in ('.yaml', '.yml') and path.exists() else ''


def _parameters(loop: ClosedLoop, sizes: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(updates, theta_i) of every agent; those of the centralised controller are split by agent."""
    if len(loop.agents) == len(sizes):
        yield from ((agent.updates, agent.theta) for agent in loop.agents)
        return
    (controller,) = loop.agents
    for theta in np.split(controller.theta, np.cumsum(sizes)[:-1]):
        yield controller.updates, theta
