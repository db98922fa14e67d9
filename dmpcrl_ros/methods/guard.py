# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Guard over learning: the evidence that it does harm, and the last parameters known to be good."""

from collections import deque
from typing import NamedTuple

import numpy as np

_SHORTEST = 50  # control steps of a window
_HIGH = 5.0  # a mean of this many times that of the first window is harm
_NO_WORSE, _MEMORY = 1.1, 20  # parameters are good if their window is at most this many times the best one of so many
_KEPT = 100  # window ends of which the parameters are kept
_TROUBLE, _RECOVERED = 0.5, 0.25  # share of the steps without a transition to learn from
_FINE, _WORSE, _HELD, _HARM = 0.0, 1.0, 2.0, 3.0  # levels of a finding


def window_length(episode_length: int = 0) -> int:
    """Control steps of a window: at least 50, and whole episodes, whose parts may differ."""
    return -(-_SHORTEST // episode_length) * episode_length if episode_length else _SHORTEST


class Finding(NamedTuple):
    """Finding about learning, of one agent or of all: they agree on the largest of each number.

    Args:
        level: one of the levels above.
        age: of the good parameters: minus the step in which they were taken.
    """

    level: float = _FINE
    age: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether learning is held."""
        return self.level > _WORSE


class _Level:
    """Mean of a magnitude over the last window, against those before.

    Args:
        floor: magnitude below which nothing counts as high.
        window: number of values.
    """

    def __init__(self, floor: float, window: int):
        self._recent = deque[float](maxlen=window)
        self._floor, self._first, self._ended = floor, np.inf, deque[float](maxlen=_MEMORY)

    def add(self, value: float) -> None:
        """Add the value of one step."""
        self._recent.append(abs(value))
        if np.isinf(self._first) and self._full:
            self._first = self.mean

    @property
    def _full(self) -> bool:
        return len(self._recent) == self._recent.maxlen

    @property
    def mean(self) -> float:
        """Mean over the last window."""
        return float(np.mean(self._recent))

    @property
    def reference(self) -> float:
        """Mean over the first window, at least the floor; infinite before its end."""
        return max(self._floor, self._first)

    @property
    def high(self) -> bool:
        """Whether the last window is far above the first one."""
        return self._full and not self.mean <= _HIGH * self.reference

    @property
    def worse(self) -> bool:
        """Whether the last window is worse than the best one of late."""
        return self._full and not self.mean <= _NO_WORSE * min((*self._ended, self.mean))

    def end_window(self) -> None:
        """Compare the next windows with the last one, too."""
        if self._full:
            self._ended.append(self.mean)


class Guard:
    """Watch of one agent over the learning of its network.

    Learning does harm when the stage cost or the TD errors of a window are five times those of the first one. All
    agents then go back to the last good parameters, and learning is held for the rest of the run. When more than half
    of the steps of a window give no transition to learn from, as on a machine that misses its deadlines, learning is
    held until no more than a quarter are void.

    Agents may differ in their evidence, by rounding or because one has started later. So each tells what it has found,
    and how old its good parameters are, and they agree on the worst finding and on the oldest parameters. Parameters
    are good when a window has passed since they were taken whose stage cost and TD errors are no worse than those of
    the best window of late.

    Args:
        cost_size: of the whole network's stage cost; a mean below it is never harm.
        window: control steps.
    """

    def __init__(self, cost_size: float, window: int):
        self._floor, self._window = cost_size / _HIGH, window

    def begin(self, theta: np.ndarray, step: int = 0) -> None:
        """Begin a run with these parameters (p,), good ones that were taken in this step."""
        self._taken, self._good, self._candidate = {step: theta}, step, step
        self.harm = self.void = ''  # reasons to hold learning, for the rest of the run and as long as they last
        self._levels = {name: _Level(self._floor, self._window) for name in ('stage cost', 'TD error')}
        self._void = deque[bool](maxlen=self._window)

    @property
    def good(self) -> tuple[int, np.ndarray]:
        """Step in which the last good parameters were taken, and these parameters (p,)."""
        return self._good, self._taken[self._good]

    @property
    def finding(self) -> Finding:
        """Finding of this agent."""
        worse = any(level.worse for level in self._levels.values())
        level = _HARM if self.harm else _HELD if self.void else _WORSE if worse else _FINE
        return Finding(level, -float(self._good))

    @property
    def held(self) -> str:
        """Reason why learning is held."""
        return f'learning is held: {self.harm or self.void or "the guard of another agent holds it"}'

    def note(self, *, void: bool, cost: float | None = None, td_error: float | None = None) -> None:
        """Take the evidence of a step.

        Args:
            void: whether it gave no transition to learn from.
            cost: stage cost of the network; None if it is not known.
            td_error: None if it is not known.
        """
        self._void.append(void)
        for name, value in (('stage cost', cost), ('TD error', td_error)):
            if value is not None:
                self._levels[name].add(value)
        self.harm, self.void = self.harm or self._excess(), self._missing()

    def heed(self, step: int, theta: np.ndarray, finding: Finding) -> np.ndarray:
        """Parameters (p,) to go on with in place of theta (p,), after a finding that all agents share in this step."""
        if finding.level > _HELD:
            self.harm = self.harm or 'the guard of another agent found harm'
            return self._taken.get(int(-finding.age), self._taken[self._good])
        if step % self._window == 0 and step > 0:
            self._end_window(step, theta, finding)
        return theta

    def _end_window(self, step: int, theta: np.ndarray, finding: Finding) -> None:
        """Take theta (p,) as a candidate. The last one is good if no agent found that the window was worse."""
        if not finding.level > _FINE:
            self._good = self._candidate
        self._candidate = step
        self._taken[step] = theta
        first, *others = sorted(self._taken)
        for old in others[:-_KEPT]:
            if old != self._good:
                del self._taken[old]
        for level in self._levels.values():
            level.end_window()

    def _excess(self) -> str:
        for name, level in self._levels.items():
            if level.high:
                return (
                    f'the mean {name} of the last {self._window} steps is {level.mean:.3g}, more than {_HIGH:.0f} '
                    f'times {level.reference:.3g}'
                )
        return ''

    def _missing(self) -> str:
        share = np.mean(self._void) if len(self._void) == self._window else 0.0
        if share <= (_RECOVERED if self.void else _TROUBLE):
            return ''
        return f'{sum(self._void)} of the last {self._window} steps gave no transition to learn from'
