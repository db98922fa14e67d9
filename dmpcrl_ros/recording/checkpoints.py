# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Learned state on disk: a file of arrays for each agent, replaced as a whole, and the previous one.

The format is NumPy's .npz with a JSON header. Nothing in it is pickled, and the checksums of the archive detect damage.
"""

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dmpcrl_ros.core.agent import SnapshotError
from dmpcrl_ros.core.parameters import ParameterLayout

FORMAT = 2
_HEADER = 'header'
_ARRAY = 'array/'  # before the names of the agent's arrays, so that any name is possible
_ENCRYPTED = 1  # in the flags of a member of an archive
# Exceptions of damaged files, found by changing and cutting bytes (test/recording/test_checkpoints.py).
_DAMAGE = (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile)


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or used; the message names the file and the reason."""


class ForeignCheckpointError(CheckpointError):
    """A checkpoint is intact, but belongs to another agent, system, method or layout."""


@dataclass(frozen=True)
class Checkpoint:
    """Snapshot of an agent at the end of a control step.

    Args:
        arrays: snapshot of the agent.
        run: number of the run.
        step: control step.
    """

    arrays: Mapping[str, np.ndarray]
    run: int
    step: int


class CheckpointFolder:
    """Checkpoints of one agent. Those of another agent, system, method or layout are refused.

    Args:
        folder: made with the first checkpoint.
        system: name of the system.
        method: name of the method.
        agent: name of the agent.
        layout: of its parameters.
        agents: names of all agents of the system.
    """

    def __init__(
        self,
        folder: str | Path,
        system: str,
        method: str,
        agent: str,
        layout: ParameterLayout,
        agents: Sequence[str] = (),
    ):
        self._folder, self._agent = Path(folder), agent
        self._identity = {
            'format': FORMAT,
            'system': system,
            'method': method,
            'agent': agent,
            'agents': list(agents),
            'names': list(layout.names),
            'sizes': list(layout.sizes),
        }

    def check_own(self) -> None:
        """Raise ForeignCheckpointError if saving would overwrite a checkpoint that does not belong to this agent."""
        try:
            self._read(self.newest)
        except ForeignCheckpointError:
            raise
        except (FileNotFoundError, CheckpointError):
            pass

    @property
    def newest(self) -> Path:
        """Path of the newest checkpoint, which may not exist."""
        return self._folder / f'{self._agent}.npz'

    @property
    def previous(self) -> Path:
        """Path of the previous checkpoint, which may not exist."""
        return self._folder / f'{self._agent}.previous.npz'

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, such that a complete one exists at any time.

        Raises:
            CheckpointError: it cannot be written, for example because the disk is full; the old ones are unchanged.
        """
        header = json.dumps(
            {
                **self._identity,
                'arrays': list(checkpoint.arrays),
                'run': int(checkpoint.run),
                'step': int(checkpoint.step),
            }
        )
        arrays = {_HEADER: np.array(header), **{_ARRAY + name: array for name, array in checkpoint.arrays.items()}}
        fresh = self._folder / f'.{self._agent}.{os.getpid()}.tmp'
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with open(fresh, 'wb') as file:
                    _write(file, arrays)
                    file.flush()
                    os.fsync(file.fileno())
                if self.newest.exists():
                    os.replace(self.newest, self.previous)
                os.replace(fresh, self.newest)
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as error:
            raise CheckpointError(f'cannot save a checkpoint to {self.newest}: {error.strerror or error}') from None

    def load(
        self, restore: Callable[[Mapping[str, np.ndarray]], None] | None = None
    ) -> tuple[Checkpoint | None, list[str]]:
        """Load the newest usable checkpoint.

        Args:
            restore: accepts the arrays or raises SnapshotError, which leads to the previous checkpoint. None only
                reads.

        Returns:
            The checkpoint, None if there is none; and the reasons why others were refused.
        """
        refused: list[str] = []
        for path in (self.newest, self.previous):
            try:
                checkpoint = self._read(path)
                if restore:
                    restore(checkpoint.arrays)
                return checkpoint, refused
            except FileNotFoundError:
                continue
            except CheckpointError as error:
                refused.append(str(error))
            except SnapshotError as error:
                refused.append(f'checkpoint {path} refused: {error}')
        return None, refused

    def _read(self, path: Path) -> Checkpoint:
        try:
            with zipfile.ZipFile(path) as archive:
                header = self._checked(json.loads(str(_array(archive, _HEADER))))
                arrays = {name: _array(archive, _ARRAY + name) for name in header['arrays']}
                return Checkpoint(arrays, header['run'], header['step'])
        except FileNotFoundError:
            raise
        except ForeignCheckpointError as error:
            raise ForeignCheckpointError(f'checkpoint {path} refused: {error}') from None
        except _DAMAGE as error:
            raise CheckpointError(f'checkpoint {path} refused: {error or type(error).__name__}') from None

    def _checked(self, header: Any) -> dict[str, Any]:
        if not isinstance(header, dict):
            raise ValueError('its header is not a table')
        if not isinstance(header.get('arrays'), list):
            raise ValueError('its header lists no arrays')
        for name, value in self._identity.items():
            if (found := header.get(name)) != value:
                raise ForeignCheckpointError(f'its {name} is {found!r}, not {value!r}')
        return header


def _write(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write an .npz file without numpy.savez, which reserves some names for its own arguments."""
    with zipfile.ZipFile(file, 'w') as archive:
        for name, array in arrays.items():
            with archive.open(f'{name}.npy', 'w', force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of an .npz file, after a check of its checksum."""
    info = archive.getinfo(f'{name}.npy')
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & _ENCRYPTED:
        raise ValueError(f'its {name} is compressed or encrypted')
    return np.lib.format.read_array(io.BytesIO(archive.read(info)), allow_pickle=False)
