# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Ticks of a control loop in real time, with statistics of its deadlines. Independent of ROS."""

import time
from collections import deque
from collections.abc import Collection

import numpy as np

_REMEMBERED = 100_000  # number of newest steps
_LAST_CALL = 0.9  # of the period: a later input would hardly act before the next measurement


class LoopTimer:
    """Periodic ticks on the monotonic clock.

    Args:
        period: time between two ticks [s of the clock].
    """

    def __init__(self, period: float):
        self._period = period
        self.met = self.missed = self.skipped = 0
        self._latencies: deque[float] = deque(maxlen=_REMEMBERED)
        self._jitter: deque[float] = deque(maxlen=_REMEMBERED)
        self.begin()

    def begin(self) -> None:
        """Set the present time as a tick."""
        self._tick = self._started = time.monotonic()

    def start(self) -> None:
        """Record the start of the step of the present tick."""
        self._started = time.monotonic()
        self._jitter.append(self._started - self._tick)

    def last_call(self) -> float:
        """Latest time for inputs in this period, on the monotonic clock [s]."""
        return self._tick + _LAST_CALL * self._period

    def note(self, met: bool) -> None:
        """Record whether all inputs of this step arrived in time."""
        self.met, self.missed = self.met + met, self.missed + (not met)
        if met:
            self._latencies.append(time.monotonic() - self._started)

    def tick(self) -> float:
        """Advance to the next tick and return its time. Past ticks are skipped and counted."""
        behind = int((time.monotonic() - self._tick) / self._period)
        self.skipped += behind
        self._tick += (behind + 1) * self._period
        return self._tick

    def report(self) -> str:
        """Share of deadlines met, latency of the inputs and jitter of the ticks."""
        total = max(self.met + self.missed, 1)
        return (
            f'{100.0 * self.met / total:.2f} % of {total} deadlines met, {self.skipped} ticks skipped; '
            f'{_spread("latency", self._latencies)}; {_spread("jitter", self._jitter)}'
        )


def _spread(name: str, seconds: Collection[float]) -> str:
    median, late, worst = np.percentile(list(seconds) or [0.0], (50, 95, 100)) * 1e3
    return f'{name} median {median:.2f}, 95 % {late:.2f}, worst {worst:.2f} ms'
