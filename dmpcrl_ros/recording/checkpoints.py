"""What an agent has learned, on disk: a file of arrays for each agent, replaced as a whole, and the one before it.

The format is NumPy's .npz with a JSON header; nothing in it is pickled, and the checksums of the archive find damage.
"""

import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmpcrl_ros.core.report import Learned
from dmpcrl_ros.methods.q_learning.replay import Transition
from dmpcrl_ros.core.parameters import ParameterLayout

FORMAT = 1
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, MemoryError, ArithmeticError,
           RecursionError, zipfile.BadZipFile, zlib.error)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written, or is not to be used; the message names the file and says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What was learned, until which control step of which run of the plant."""

    learned: Learned
    run: int
    step: int


@dataclass(frozen=True)
class _Header:
    """By which a file is known."""

    format: int
    scenario: str
    agent: str
    names: list[str]
    sizes: list[int]
    run: int
    step: int
    updates: int


class CheckpointFolder:
    """The checkpoints of one agent.

    Args:
        folder: made when something is saved. scenario, agent: whose they are. layout: of its parameters.
    """

    def __init__(self, folder: str | Path, scenario: str, agent: str, layout: ParameterLayout):
        self._folder, self._scenario, self._agent, self._layout = Path(folder), scenario, agent, layout

    @property
    def newest(self) -> Path:
        """Where the newest checkpoint is, if there is one."""
        return self._folder / f'{self._agent}.npz'

    @property
    def previous(self) -> Path:
        """Where the one before it is."""
        return self._folder / f'{self._agent}.previous.npz'

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; whatever happens meanwhile, a whole one is there.

        Raises:
            CheckpointError: it cannot be written, as on a full disk; the old ones are as they were.
        """
        fresh = self._folder / f'.{self._agent}.{os.getpid()}.tmp'
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with open(fresh, 'wb') as file:
                    np.savez(file, allow_pickle=False, **self._arrays(checkpoint))
                    file.flush()
                    os.fsync(file.fileno())
                if self.newest.exists():
                    os.replace(self.newest, self.previous)
                os.replace(fresh, self.newest)
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointError(f'cannot save a checkpoint to {self.newest}: {error.strerror or error}') from None

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that can be used, None if there is none; and why others could not be."""
        refused = []
        for path in (self.newest, self.previous):
            try:
                return self._read(path), refused
            except FileNotFoundError:
                continue
            except CheckpointError as error:
                refused.append(str(error))
        return None, refused

    def _arrays(self, checkpoint: Checkpoint) -> dict[str, Any]:
        learned, kept = checkpoint.learned, checkpoint.learned.transitions
        header = _Header(format=FORMAT, scenario=self._scenario, agent=self._agent, names=list(self._layout.names),
                         sizes=list(self._layout.sizes), run=checkpoint.run, step=checkpoint.step,
                         updates=learned.updates)
        arrays = {'header': np.array(json.dumps(asdict(header))), 'theta': learned.theta,
                  'steps': np.array([t.step for t in kept], dtype=np.int64),
                  'td_errors': np.array([t.td_error for t in kept], dtype=float),
                  'gradients': np.array([t.gradient for t in kept], dtype=float)}
        if kept and kept[0].hessian is not None:
            arrays['hessians'] = np.array([t.hessian for t in kept], dtype=float)
        return arrays

    def _read(self, path: Path) -> Checkpoint:
        try:
            with open(path, 'rb') as file, np.load(file, allow_pickle=False) as arrays:
                header = _Header(**json.loads(str(arrays['header'])))
                self._check(header)
                return Checkpoint(self._learned(header, arrays), int(header.run), int(header.step))
        except FileNotFoundError:
            raise
        except _DAMAGE as error:
            raise CheckpointError(f'checkpoint {path} refused: {error or type(error).__name__}') from None

    def _check(self, header: _Header) -> None:
        wanted = {'format': FORMAT, 'scenario': self._scenario, 'agent': self._agent,
                  'names': list(self._layout.names), 'sizes': list(self._layout.sizes)}
        for name, value in wanted.items():
            if (found := getattr(header, name)) != value:
                raise ValueError(f'its {name} is {found!r}, not {value!r}')

    def _learned(self, header: _Header, arrays: Any) -> Learned:
        size = self._layout.size
        theta, steps, td_errors, gradients = (arrays[name] for name in ('theta', 'steps', 'td_errors', 'gradients'))
        hessians = arrays['hessians'] if 'hessians' in arrays else [None] * len(steps)
        count = len(steps)
        shapes = {'theta': (theta, (size,)), 'td_errors': (td_errors, (count,)),
                  'gradients': (gradients, (count, size) if count else (0,)),
                  'hessians': (hessians, (count, size, size))}
        for name, (array, shape) in shapes.items():
            if isinstance(array, np.ndarray) and (array.shape != shape or not np.isfinite(array).all()):
                raise ValueError(f'its {name} are of the wrong size or not finite')
        kept = tuple(Transition(int(step), float(td_error), gradient, hessian) for step, td_error, gradient, hessian
                     in zip(steps, td_errors, gradients, hessians, strict=True))
        return Learned(theta, int(header.updates), kept)
