# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Progress of a running experiment in the terminal."""

import csv
import time
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.recording.metric_text import magnitude

_SMOOTHING = 100  # steps over which the shown cost and metrics are averaged


class RunProgress:
    """A progress bar with the mean cost and metrics of the last steps, and the rate in steps per second.

    It shows absolute values of metrics.

    Args:
        console: where to draw.
        steps: of the whole run.
        title: of the bar.
        metrics: of the method; those of ended transitions are shown.
    """

    def __init__(self, console: Console, steps: int, title: str, metrics: Sequence[Metric] = ()):
        self.progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn('{task.fields[note]}', markup=False),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=4,
        )
        self._task = self.progress.add_task(title, total=steps, note='')
        self._shown = [metric for metric in metrics if metric.of_transition]
        self._costs: list[float] = []
        self._values: dict[str, list[float]] = {metric.name: [] for metric in self._shown}
        self._started: float | None = None

    def __enter__(self) -> 'RunProgress':
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def add(self, cost: float, metrics: Mapping[str, float]) -> None:
        """Count one step; metrics that are missing or NaN were not evaluated."""
        now = time.monotonic()
        self._started = self._started or now
        self._costs.append(cost)
        for name, values in self._values.items():
            if not isnan(value := metrics.get(name, float('nan'))):
                values.append(abs(value))
        rate = (len(self._costs) - 1) / max(now - self._started, 1e-9)
        parts = [
            f'cost {_mean(self._costs):.3f}',
            *(f'{magnitude(metric)} {_mean(self._values[metric.name]):.3f}' for metric in self._shown),
            f'{rate:.0f}/s',
        ]
        self.progress.update(self._task, completed=len(self._costs), note=' '.join(parts))


class StepsFollower:
    """Reads the rows that another process appends to the steps.csv of a run.

    Args:
        path: of the file, which may not exist yet.
        metrics: of the method.
    """

    def __init__(self, path: Path, metrics: Sequence[Metric]):
        self._path, self._read = path, 0
        self._metrics = [metric.name for metric in metrics if metric.column]
        self._columns: list[str] = []

    def rows(self) -> list[tuple[float, dict[str, float]]]:
        """(cost, metrics) of each new row, without metrics that were not evaluated."""
        found = []
        for row in csv.reader(self._whole_lines()):
            if not self._columns:
                self._columns = row
                continue
            values = dict(zip(self._columns, row, strict=False))
            found.append((float(values['cost']), {name: float(values[name]) for name in self._metrics if values[name]}))
        return found

    def _whole_lines(self) -> list[str]:
        """Lines completed since the last call."""
        if not self._path.exists():
            return []
        with self._path.open('rb') as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b'\n') + 1]
        self._read += len(whole)
        return whole.decode('utf-8').splitlines()


def _mean(values: Sequence[float]) -> float:
    last = values[-_SMOOTHING:]
    return sum(last) / max(len(last), 1)
