# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A run in this process, recorded step by step, with the first parameters or with those of an earlier run."""

import logging
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np

from dmpcrl_ros.recording.checkpoint_manager import Log
from dmpcrl_ros.recording.learned_start import TWIN, checkpoints_of
from dmpcrl_ros.recording.policy import Policy, digest
from dmpcrl_ros.recording.run_directory import RunWriter
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.settings.deployment import LearnedSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop, Step

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
        _adopt(policy, loop, sizes)
    names = [TWIN] if central else system.names
    managers = [
        checkpoints_of(agent, name, system, settings, learned, log)
        for agent, name in zip(loop.agents, names, strict=True)
        if learned and (learned.checkpoints or learned.start_from)
    ]
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
        known = []
        for index, (updates, theta) in enumerate(_parameters(loop, sizes)):
            writer.record_parameters(index, 0, updates, theta)
            known.append(updates)
        try:
            for step in loop.run(settings.steps):
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
