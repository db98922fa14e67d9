# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Runs the nodes of a system as processes of its own where launch is not installed: all together or not at all."""

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from dmpcrl_ros.bringup import NodeSpec
from dmpcrl_ros.core.process import end_with_parent, hold_signals

_PATIENCE = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))  # signal, s to wait for its effect
_LINES_KEPT = 15
_LAST_LINES = 1.0  # s to read them after the end of a process
_MOST_DEATHS = 10  # of one node, after which it is not started again
_AT_ONCE = 2.0  # s: a process that dies so early would die again


class ProcessDied(RuntimeError):
    """A node ended before the run did; the message has its last lines of output."""


class ProcessGroup:
    """The processes of a system. A context manager: on exit all of them are ended, also after an error.

    Each node has a session of its own, so that a Ctrl-C in the terminal reaches this process alone, which passes it on.
    If this process is killed, the kernel ends the nodes.

    Args:
        nodes: to be started.
    """

    def __init__(self, nodes: Sequence[NodeSpec]):
        self._nodes = nodes
        self._environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONUNBUFFERED': '1'}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._started: dict[str, float] = {}
        self._deaths: Counter[str] = Counter()
        self._readers: dict[str, threading.Thread] = {}
        self._lines: queue.Queue[tuple[str, str]] = queue.Queue()
        self._last: dict[str, deque[str]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix='dmpcrl_')

    def __enter__(self) -> 'ProcessGroup':
        try:
            for node in self._nodes:
                self._start(node)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """Process numbers by the labels of the nodes."""
        return {label: process.pid for label, process in self._processes.items()}

    def output(self, timeout: float) -> Iterator[tuple[str, str]]:
        """(label, line) of the output of the nodes, until `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        while (remaining := deadline - time.monotonic()) > 0.0:
            try:
                yield self._lines.get(timeout=remaining)
            except queue.Empty:
                return

    def ended(self, label: str) -> bool:
        """Whether this node has ended regularly.

        Nodes with `respawn` that have died are started again, unless they died at once.

        Raises:
            ProcessDied: any other node has ended in another way.
        """
        for node in self._nodes:
            code = self._processes[node.name].poll()
            if code is None or (code == 0 and node.name == label):
                continue
            self._deaths[node.name] += 1
            if (
                not node.respawn
                or time.monotonic() - self._started[node.name] < _AT_ONCE
                or self._deaths[node.name] > _MOST_DEATHS
            ):
                raise ProcessDied(self._last_words(node.name, code))
            self._lines.put((node.name, f'{self._how(code)}; started again'))
            self._start(node)
        return self._processes[label].poll() == 0

    def wait(self, timeout: float) -> dict[str, int | None]:
        """Exit codes by the labels of the nodes, once all have ended; None for one that has not within `timeout` s."""
        deadline = time.monotonic() + timeout
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.0))
        return {label: process.poll() for label, process in self._processes.items()}

    def stop(self) -> None:
        """End all processes, more insistently as time passes, and wait for them."""
        for number, patience in _PATIENCE:
            alive = [process for process in self._processes.values() if process.poll() is None]
            for process in alive:
                os.killpg(process.pid, number)
            deadline = time.monotonic() + patience
            for process in alive:
                try:
                    process.wait(max(deadline - time.monotonic(), 0.0))
                except subprocess.TimeoutExpired:
                    continue
        for reader in self._readers.values():
            reader.join(timeout=_LAST_LINES)
        self._folder.cleanup()

    def _start(self, node: NodeSpec) -> None:
        parameters = Path(self._folder.name, f'{node.name}.yaml')
        parameters.write_text(node.parameter_file(), encoding='utf-8')
        # -P: a checkout in the current folder is not to hide the installed package, which has the messages
        command = [
            sys.executable,
            '-P',
            '-m',
            'dmpcrl_ros.executables',
            node.executable,
            *node.identity(),
            '--params-file',
            str(parameters),
        ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env=self._environment,
            start_new_session=True,
            preexec_fn=_prepare_child,
        )
        self._processes[node.name] = process
        self._started[node.name] = time.monotonic()
        last = self._last[node.name] = deque(maxlen=_LINES_KEPT)
        reader = threading.Thread(target=self._read, args=(node.name, process.stdout, last), daemon=True)
        reader.start()
        self._readers[node.name] = reader

    def _read(self, label: str, output: IO[str], last: deque[str]) -> None:
        with output:
            for line in output:
                last.append(line.rstrip())
                self._lines.put((label, line.rstrip()))

    @staticmethod
    def _how(code: int) -> str:
        return f'was killed by {signal.Signals(-code).name}' if code < 0 else f'ended with exit code {code}'

    def _last_words(self, label: str, code: int) -> str:
        self._readers[label].join(timeout=_LAST_LINES)
        words = '\n'.join(f'  {line}' for line in self._last[label])
        return f'{label} {self._how(code)}' + (f'; its last lines:\n{words}' if words else ', without a word')


def _prepare_child() -> None:
    """In the child: it ends with this process, and is not interrupted while Python starts."""
    hold_signals()
    end_with_parent()
