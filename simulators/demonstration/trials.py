# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One run of the controllers against the simulator: both as processes, as a user would start them."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dmpcrl_ros.core.process import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
SIMULATOR = ROOT / 'simulators' / 'mujoco_carts'
SYSTEM = ROOT / 'config' / 'mujoco_carts.yaml'
BRIDGE = ROOT / 'config' / 'mujoco_carts_bridge.yaml'
PERIOD = 0.1  # s of simulated time, of a control step
_PATIENCE = ((signal.SIGINT, 20.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))  # signal, s to wait for its effect
_START = 20.0  # s that the simulator may take to start
_DEADLINES = re.compile(r'real time: ([\d.]+) % of (\d+) deadlines met')


class TrialFailed(RuntimeError):
    """A run has ended early; the message says which and where its output is."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Description of one run.

    Args:
        folder: of its files.
        steps: number of control steps.
        gusts: seed of the gusts.
        speed: simulated seconds per second.
        arguments: further arguments of `dmpcrl run`.
    """

    folder: Path
    steps: int
    gusts: int
    speed: float
    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of one run.

    Args:
        costs: stage cost of the network in each step.
        deadlines: share met, 0 to 1.
        command: magnitude of the largest command that has reached a motor [N].
        log: file of the simulator.
    """

    costs: np.ndarray
    deadlines: float
    command: float
    log: Path

    @property
    def cost(self) -> float:
        """Sum over all steps."""
        return float(self.costs.sum())


def run(trial: Trial, progress: Callable[[int], None]) -> Outcome:
    """Run the controllers against a simulator of their own and end both, whatever happens.

    Args:
        trial: the run.
        progress: called with the number of steps that are recorded.

    Raises:
        TrialFailed: a process ended early.
    """
    trial.folder.mkdir(parents=True)
    log, steps = trial.folder / 'simulator.csv', trial.folder / 'run' / 'steps.csv'
    simulate = [sys.executable, '-P', SIMULATOR, '--hold', '--seed', trial.gusts, '--rate', trial.speed, '--log', log]
    control = [
        Path(sys.executable).with_name('dmpcrl'),
        'run',
        SYSTEM,
        '--bridge',
        BRIDGE,
        '--steps',
        trial.steps,
        '--speed',
        trial.speed,
        '--output',
        trial.folder / 'run',
        '--no-figures',
        '--no-baseline',
        '--verbose',
        *trial.arguments,
    ]
    with _process(simulate, trial.folder / 'simulator.txt') as simulator:
        _wait(simulator, log.exists, _START)
        with _process(control, trial.folder / 'dmpcrl.txt') as controllers:
            while controllers.poll() is None:
                if simulator.poll() is not None:
                    raise TrialFailed(f'the simulator has ended: see {trial.folder / "simulator.txt"}')
                progress(_rows(steps))
                time.sleep(0.1)
        if controllers.returncode:
            raise TrialFailed(
                f'dmpcrl has ended with exit code {controllers.returncode}: see {trial.folder / "dmpcrl.txt"}'
            )
    progress(trial.steps)
    return _outcome(trial, steps, log)


def _outcome(trial: Trial, steps: Path, log: Path) -> Outcome:
    found = _DEADLINES.search((trial.folder / 'dmpcrl.txt').read_text(encoding='utf-8'))
    return Outcome(
        costs=_columns(steps, 'cost')[:, 0],
        deadlines=float(found[1]) / 100.0 if found else float('nan'),
        command=float(_columns(log, 'largest_command')[-1].max()),
        log=log,
    )


def _columns(path: Path, start: str) -> np.ndarray:
    """All columns whose names start so."""
    with path.open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.startswith(start)]
    return np.array([[float(row[name]) for name in names] for row in rows])


def _rows(path: Path) -> int:
    return max(path.read_bytes().count(b'\n') - 1, 0) if path.exists() else 0


def _wait(process: subprocess.Popen, condition: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TrialFailed(f'{process.args[2]} has not started within {patience:g} s')
        time.sleep(0.05)


@contextmanager
def _process(command: list, output: Path) -> Iterator[subprocess.Popen]:
    """A process with a session of its own, so that a Ctrl-C reaches it once, by way of this one.

    It is ended on exit, and by the kernel if this process is killed.
    """
    with output.open('w', encoding='utf-8') as file:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(end_with_parent, signal.SIGINT),
            env={**os.environ, 'OMP_NUM_THREADS': '1', 'COLUMNS': '200'},
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen) -> None:
    """End a process, more insistently as time passes; another Ctrl-C is ignored meanwhile."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        for number, patience in _PATIENCE:
            if process.poll() is not None:
                return
            process.send_signal(number)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), former, strict=True):
            signal.signal(number, handler)
