# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Many runs in parallel, each recorded in a directory of its own; complete runs are not repeated."""

import fcntl
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmpcrl_ros.core.process import end_with_parent
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.recorded_loop import recorded, system_digest
from dmpcrl_ros.recording.recorded_run import Run
from dmpcrl_ros.recording.run_files import DIVERGED, RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.run import Settings

_LOCK = '.lock'  # file locked by the command that writes into the folder
_UNFINISHED = '.unfinished-'  # prefix of the name of a directory that is being written
_REFRESH = 0.2  # s between two calls of `progress`


@dataclass(frozen=True)
class Job:
    """One run of a suite.

    Args:
        name: of its directory.
        settings: of the run.
        central: whether the centralised twin controls, see `recorded`.
        policy: parameters to begin with, see `recorded`.
    """

    name: str
    settings: Settings
    central: bool = False
    policy: Policy | None = None

    def difference(self, run: Run) -> str:
        """Differences between a recorded run and this job, in words; empty for a run of this job."""
        differences = _differences(run.settings, self.settings)
        extra = run.configuration.get('extra', {})
        differences += ['centralised or not'] if extra.get('central') != self.central else []
        if extra.get('policy') != (self.policy and self.policy.described()):
            differences.append('another policy')
        if extra.get('system_digest', '') != system_digest(self.settings):
            differences.append(f'{self.settings.system} has changed')
        return ', '.join(differences)


class ExperimentSuite:
    """Jobs, and the folder of their runs.

    A run is written to a directory with a temporary name, which gets the name of the job when the run is complete. So a
    directory with the name of a job always holds a complete run.

    Args:
        folder: made if there is none.
        jobs: with different names.

    Raises:
        RunDirectoryError: the folder holds a complete run of the same name with other settings, or cannot be read.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job]):
        self.folder, self.jobs = folder, jobs
        self.missing = [job for job in jobs if not self._is_complete(job)]

    def run(self, workers: int, progress: Callable[[int], None]) -> None:
        """Run the missing jobs. After an interruption the workers end at their next step, and complete runs remain.

        Args:
            workers: number of processes.
            progress: called a few times a second with the number of steps made so far.

        Raises:
            RunDirectoryError: a run could not be recorded, or another command writes into the folder.
            OSError: the folder cannot be written to.
            BrokenProcessPool: a worker has died.
        """
        context = multiprocessing.get_context('spawn')
        steps, stop = context.Value('q', 0), context.Event()
        with (
            _locked(self.folder),
            _one_thread_each(),
            ProcessPoolExecutor(
                min(workers, len(self.missing)) or 1, context, _start_worker, (steps, stop, os.getpid())
            ) as pool,
        ):
            try:
                pending = {pool.submit(_work, job, self.folder) for job in self.missing}
                while pending:
                    done, pending = wait(pending, timeout=_REFRESH)
                    progress(steps.value)
                    for future in done:
                        future.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def runs(self) -> Iterator[tuple[Job, Run]]:
        """All jobs with their runs."""
        for job in self.jobs:
            yield job, load_run(self.folder / job.name)

    def _is_complete(self, job: Job) -> bool:
        path = self.folder / job.name
        if not path.exists():
            return False
        try:
            run = load_run(path)
        except RunDirectoryError as error:
            raise RunDirectoryError(f'{error}; remove {path}, or choose another folder') from None
        wrong = job.difference(run)
        if wrong:
            wrong = f'holds a run with other settings ({wrong})'
        elif len(run.steps) != job.settings.steps and not (path / DIVERGED).exists():
            wrong = f'holds {len(run.steps)} of {job.settings.steps} steps'
        if wrong:
            raise RunDirectoryError(f'{path} {wrong}; remove it, or choose another folder')
        return True


def _differences(found: Settings, wanted: Settings) -> list[str]:
    """Differing settings. Those that only one of the two has follow from another method or system, which is listed."""
    ours, theirs = wanted.plain(), found.plain()
    return [
        f'{name} = {theirs[name]}, not {value}'
        for name, value in ours.items()
        if name in theirs and theirs[name] != value
    ]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other commands. The kernel releases the lock when this process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, 'w', encoding='utf-8') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunDirectoryError(
                f'another command is writing into {folder}; wait for it, or choose another folder'
            ) from None
        yield


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Start workers with one thread each: more threads would slow down the products of small matrices."""
    before = os.environ.get('OMP_NUM_THREADS')
    os.environ['OMP_NUM_THREADS'] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ['OMP_NUM_THREADS']
        else:
            os.environ['OMP_NUM_THREADS'] = before


_steps: Any  # of a worker: number of steps of all workers
_stop: Any  # of a worker: whether to stop


def _start_worker(steps: Any, stop: Any, parent: int) -> None:
    """Prepare a worker: the parent handles Ctrl-C by setting `stop`, and the kernel ends workers of a killed parent."""
    global _steps, _stop
    _steps, _stop = steps, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)


def _work(job: Job, folder: Path) -> None:
    unfinished = folder / (_UNFINISHED + job.name)
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for _ in recorded(job.settings, unfinished, central=job.central, policy=job.policy):
            with _steps.get_lock():
                _steps.value += 1
            if _stop.is_set():
                return
    except ArithmeticError as error:
        (unfinished / DIVERGED).write_text(f'{error}\n', encoding='utf-8')
    unfinished.rename(folder / job.name)
