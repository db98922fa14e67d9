# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Liveness of the neighbours of an agent."""

from collections.abc import Iterable, Mapping

_FRAMES = 8  # of each neighbour, at most


class Neighbours:
    """Records the neighbours that sent messages, that gave up a step, and that are lost.

    Args:
        names: of the neighbours, by index, for the texts of errors.
        leave_out_lost: whether to leave out lost neighbours until they send a message again.
    """

    def __init__(self, names: Mapping[int, str], leave_out_lost: bool):
        self._names = names
        self._leave_out_lost = leave_out_lost
        self.left_out: frozenset[int] = frozenset()
        self._lost: set[int] = set()
        self._heard: set[int] = set()  # that sent in an exchange since the step began
        self.frames: set[tuple[tuple[int, int], int, str]] = set()  # (step, sender, frame), of this step and later
        self._place = (0, 0)

    @property
    def lost(self) -> list[str]:
        """Names of the neighbours that did not answer in a round and have not sent a message since."""
        return self._named(self._lost)

    def begin_step(self, place: tuple[int, int]) -> None:
        """Forget the steps before (run, step); leave out the neighbours that are lost now."""
        self._heard.clear()
        self._place = place
        self.frames = {frame for frame in self.frames if frame[0] >= place}
        self.left_out = frozenset(self._lost) if self._leave_out_lost else frozenset()

    def hear(self, sender: int) -> None:
        """Take note of a message of the present step or a later one."""
        self._lost.discard(sender)
        self._heard.add(sender)

    def see(self, sender: int) -> None:
        """Take note of a sign of life that is no part of an exchange."""
        self._lost.discard(sender)

    def hear_frame(self, sender: int, frame: str, place: tuple[int, int]) -> None:
        """Take note of a control frame about the step (run, step)."""
        if place >= self._place:
            self.frames.add((place, sender, frame))
            if len(self.frames) > _FRAMES * len(self._names):  # forged ones of distant steps
                self.frames.remove(max(self.frames))

    def that_sent(self, frame: str, missing: Iterable[int], place: tuple[int, int]) -> str:
        """Names of the missing neighbours that sent this control frame about the step (run, step)."""
        return ', '.join(self._named(self.senders_of(frame, place).intersection(missing)))

    def senders_of(self, frame: str, place: tuple[int, int]) -> set[int]:
        """Neighbours that sent this control frame about the step (run, step)."""
        return {sender for about, sender, sent in self.frames if about == place and sent == frame}

    def lose(self, missing: Iterable[int]) -> str:
        """Count neighbours as lost, and return their names."""
        missing = list(missing)
        self._lost.update(missing)
        return ', '.join(self._named(missing))

    def lose_silent(self, missing: Iterable[int]) -> str:
        """Count the missing neighbours that sent nothing in this step as lost, and return their names."""
        return self.lose(set(missing) - self._heard)

    def _named(self, indices: Iterable[int]) -> list[str]:
        return [self._names[j] for j in sorted(indices)]
