# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Guard over learning: the evidence that it does harm, and the last parameters known to be good."""

from collections import deque

import numpy as np

_SHORTEST = 50  # control steps of a window
_HIGH = 2.0  # a mean of this many times that of the first window is harm
_NO_WORSE = 1.1  # a mean of at most this many times that of the best window shows that parameters are good
# What an agent has found; agents agree on the largest.
_FINE, _WORSE, _HARM = 0.0, 1.0, 2.0
_TROUBLE, _RECOVERED = 0.5, 0.25  # share of the steps without a transition to learn from


def window_length(episode_length: int = 0) -> int:
    """Control steps of a window: at least 50, and whole episodes, whose parts may differ."""
    return -(-_SHORTEST // episode_length) * episode_length if episode_length else _SHORTEST


class _Level:
    """Mean of a magnitude over the last window, against those before.

    Args:
        floor: magnitude below which nothing counts as high.
        window: number of values.
    """

    def __init__(self, floor: float, window: int):
        self._recent = deque[float](maxlen=window)
        self._floor, self._first, self._best = floor, np.inf, np.inf

    def add(self, value: float) -> None:
        """Add the value of one step."""
        self._recent.append(abs(value))
        if np.isinf(self._first) and len(self._recent) == self._recent.maxlen:
            self._first = self.mean

    @property
    def mean(self) -> float:
        """Mean over the last window."""
        return float(np.mean(self._recent)) if self._recent else 0.0

    @property
    def reference(self) -> float:
        """Mean over the first window, at least the floor; infinite before its end."""
        return max(self._floor, self._first)

    @property
    def high(self) -> bool:
        """Whether the last window is far above the first one."""
        return not self.mean <= _HIGH * self.reference

    @property
    def worse(self) -> bool:
        """Whether the last window is worse than the best one."""
        return not self.mean <= _NO_WORSE * min(self._best, self.mean)

    def end_window(self) -> None:
        """Compare the next windows with the last one, too."""
        self._best = min(self._best, self.mean)


class Guard:
    """Watch of one agent over the learning of its network.

    Learning does harm when the stage cost or the TD errors of a window are twice those of the first one, or when more
    than half of its steps gave no transition to learn from, as on a machine that misses its deadlines. All agents
    have the same evidence up to rounding. So each of them says what it has found, and they agree on the worst. After
    harm all go back to the last good parameters, and learning is held: for the rest of the run after harm in cost or TD
    errors, and until no more than a quarter of the steps are void otherwise.

    Parameters are good when a window has passed since they were taken whose stage cost and TD errors are no worse than
    those of the best window.

    Args:
        cost_size: of the whole network's stage cost; a mean below it is never harm.
        window: control steps.
    """

    def __init__(self, cost_size: float, window: int):
        self._floor, self._window = cost_size / _HIGH, window

    def begin(self, theta: np.ndarray) -> None:
        """Begin a run with these parameters (p,), which are good."""
        self.good, self._candidate, self.reason, self._lasting = theta, theta, '', False
        self._levels = {name: _Level(self._floor, self._window) for name in ('stage cost', 'TD error')}
        self._void = deque[bool](maxlen=self._window)

    @property
    def verdict(self) -> float:
        """What this agent has found, for the maximum over all agents."""
        if self.reason:
            return _HARM
        return _WORSE if any(level.worse for level in self._levels.values()) else _FINE

    @staticmethod
    def is_harm(verdict: float) -> bool:
        """Whether this maximum of all verdicts means that learning does harm."""
        return verdict > _WORSE

    @property
    def held(self) -> str:
        """Reason why learning is held."""
        return f'learning is held: {self.reason or "another agent found that it does harm"}'

    @property
    def deaf(self) -> bool:
        """Whether none of the steps of the last window gave a transition to learn from."""
        return len(self._void) == self._window and all(self._void)

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
        if not self._lasting:
            self.reason = self._excess() or self._missing()

    def pass_window(self, step: int, theta: np.ndarray, verdict: float) -> None:
        """At the end of a window, take new parameters as a candidate; the last ones may have proved good.

        Args:
            step: in which all agents call it.
            theta: (p,), present ones.
            verdict: largest of all agents.
        """
        if step % self._window == 0 and step > 0:
            if not verdict > _FINE:
                self.good = self._candidate
            self._candidate = theta
            for level in self._levels.values():
                level.end_window()

    def go_back(self) -> np.ndarray:
        """The last good parameters (p,), which are the next candidate."""
        self._candidate = self.good
        return self.good

    def _excess(self) -> str:
        for name, level in self._levels.items():
            if level.high:
                self._lasting = True
                return (
                    f'the mean {name} of the last {self._window} steps is {level.mean:.3g}, more than {_HIGH:.0f} '
                    f'times {level.reference:.3g}'
                )
        return ''

    def _missing(self) -> str:
        share = np.mean(self._void) if len(self._void) == self._window else 0.0
        if share <= (_RECOVERED if self.reason else _TROUBLE):
            return ''
        return f'{sum(self._void)} of the last {self._window} steps gave no transition to learn from'
