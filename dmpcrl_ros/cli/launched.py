# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The nodes of a run under launch, where launch and launch_ros are installed."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from dmpcrl_ros.bringup import NodeSpec
from dmpcrl_ros.cli.processes import ProcessDied
from dmpcrl_ros.core.process import END_WITH_PARENT
from dmpcrl_ros.topics import MONITOR

_REFRESH = 0.2  # s between two looks at the progress


def launch_is_installed() -> bool:
    """Whether ROS 2's launch and launch_ros can be imported."""
    return find_spec('launch') is not None and find_spec('launch_ros') is not None


def run_under_launch(nodes: Sequence[NodeSpec], refresh: Callable[[], None], *, verbose: bool) -> None:
    """Run the nodes until the monitor ends; launch takes the signals, so it has the main thread.

    Args:
        nodes: of the run.
        refresh: called several times a second in another thread.
        verbose: show everything that they say.

    Raises:
        ProcessDied: a node failed before the run was complete.
        KeyboardInterrupt: a signal ended the run.
    """
    from dmpcrl_ros.launching.actions import Outcome, launch_actions
    from launch import LaunchDescription, LaunchService

    outcome, service = Outcome(), LaunchService(noninteractive=True)
    service.include_launch_description(
        LaunchDescription(
            launch_actions(list(nodes), 'screen' if verbose else 'log', outcome, {END_WITH_PARENT: str(os.getpid())})
        )
    )
    with _repeated(refresh), _hangup_as_ctrl_c():
        service.run()
    for label, code in outcome.failures.items():
        raise ProcessDied(f'{label} ended first, with exit code {code}; the logs of launch have its last words')
    if not outcome.ended_by:
        raise KeyboardInterrupt
    if outcome.ended_by != MONITOR:
        raise ProcessDied(f'{outcome.ended_by} ended first, with exit code 0; the logs of launch have its last words')


@contextmanager
def _repeated(refresh: Callable[[], None]) -> Iterator[None]:
    """Call `refresh` periodically in another thread, and once more at the end."""
    finished = threading.Event()

    def keep_refreshing() -> None:
        while not finished.wait(_REFRESH):
            refresh()

    thread = threading.Thread(target=keep_refreshing, daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
        refresh()


@contextmanager
def _hangup_as_ctrl_c() -> Iterator[None]:
    """Let the end of the terminal be a Ctrl-C: launch does not handle it, and swallows exceptions of other handlers."""
    before = signal.getsignal(signal.SIGHUP)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
