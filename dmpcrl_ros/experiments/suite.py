"""Many runs in parallel, each recorded in a directory of its own; what is complete is not run again."""

import ctypes
import fcntl
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dmpcrl_ros.recording.recorded_loop import Policy, recorded, scenario_digest
from dmpcrl_ros.recording.recorded_run import Run, RunDirectoryError, load_run
from dmpcrl_ros.settings.run import Settings

DIVERGED = 'diverged.txt'   # in the directory of a run that ended early because its plant was lost
_LOCK = '.lock'             # file that is locked while a command writes into the folder
_UNFINISHED = '.unfinished-'  # before the name of a directory that is being written
_REFRESH = 0.2              # s between two calls of `progress`
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Job:
    """One run of a suite; `name` is that of its directory, the rest as of `recorded`."""

    name: str
    settings: Settings
    central: bool = False
    policy: Policy | None = None

    def difference(self, run: Run) -> str:
        """What a recorded run was made with and this job is not; empty when it is a run of this job."""
        found, extra = run.settings, run.configuration.get('extra', {})
        names = [f.name for f in fields(Settings) if getattr(found, f.name) != getattr(self.settings, f.name)]
        differences = [f'{name} = {getattr(found, name)}, not {getattr(self.settings, name)}' for name in names]
        differences += ['centralised or not'] if extra.get('central') != self.central else []
        if extra.get('policy') != (self.policy and self.policy.described()):
            differences.append('another policy')
        if extra.get('scenario_digest', '') != scenario_digest(self.settings):
            differences.append(f'{self.settings.scenario} has changed')
        return ', '.join(differences)


class ExperimentSuite:
    """Jobs and the folder in which their runs are recorded.

    A run is written to a directory with another name, which is renamed when it is complete: whatever happens, a
    directory with the name of a job holds the whole run.

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
        """Run what is missing. On an interruption the workers end at their next step and what is complete stays.

        Args:
            workers: processes at a time.
            progress: called a few times a second with the number of steps made so far.

        Raises:
            RunDirectoryError, OSError, BrokenProcessPool: a run could not be recorded, or a worker has died; or another
                command writes into the folder.
        """
        context = multiprocessing.get_context('spawn')
        steps, stop = context.Value('q', 0), context.Event()
        with _locked(self.folder), _one_thread_each(), ProcessPoolExecutor(
                min(workers, len(self.missing)) or 1, context, _start_worker, (steps, stop, os.getpid())) as pool:
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
        """Every job with its run."""
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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else writes into the folder meanwhile; the lock is gone with this process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, 'w', encoding='utf-8') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunDirectoryError(f'another command is writing into {folder}; wait for it, or choose another '
                                    'folder') from None
        yield


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Small matrices are not worth the threads that numpy would start in every worker."""
    before = os.environ.get('OMP_NUM_THREADS')
    os.environ['OMP_NUM_THREADS'] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ['OMP_NUM_THREADS']
        else:
            os.environ['OMP_NUM_THREADS'] = before


def _start_worker(steps: Any, stop: Any, parent: int) -> None:
    """Ctrl-C is the parent's affair, which then sets `stop`; should it be killed, the kernel ends its workers."""
    global _steps, _stop
    _steps, _stop = steps, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
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
