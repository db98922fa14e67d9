"""What a running experiment shows in the terminal."""

import csv
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SMOOTHING = 100  # steps over which the shown cost and TD error are averaged


class RunProgress:
    """A progress bar with the mean cost and |TD error| of the last steps, and the rate in steps per second.

    Args:
        console: where to draw. steps: of the whole run. title: of the bar.
    """

    def __init__(self, console: Console, steps: int, title: str):
        self.progress = Progress(
            TextColumn('{task.description}'), BarColumn(bar_width=12), MofNCompleteColumn(),
            TextColumn('{task.fields[note]}'), TimeRemainingColumn(), console=console, refresh_per_second=4)
        self._task = self.progress.add_task(title, total=steps, note='')
        self._costs: list[float] = []
        self._errors: list[float] = []
        self._started: float | None = None

    def __enter__(self) -> 'RunProgress':
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def add(self, cost: float, td_error: float | None) -> None:
        """Count one step."""
        now = time.monotonic()
        self._started = self._started or now
        self._costs.append(cost)
        if td_error is not None:
            self._errors.append(abs(td_error))
        rate = (len(self._costs) - 1) / max(now - self._started, 1e-9)
        mean = [sum(values[-_SMOOTHING:]) / max(len(values[-_SMOOTHING:]), 1) for values in (self._costs, self._errors)]
        self.progress.update(self._task, completed=len(self._costs),
                             note=f'cost {mean[0]:.3f} |TD| {mean[1]:.3f} {rate:.0f}/s')


class StepsFollower:
    """Reads the rows that another process appends to the steps.csv of a run."""

    def __init__(self, path: Path):
        self._path, self._file, self._rest = path, None, ''
        self._columns: list[str] = []

    def rows(self) -> list[tuple[float, float | None]]:
        """(cost, TD error or None) of each row that is new."""
        if self._file is None:
            if not self._path.exists():
                return []
            self._file = self._path.open(encoding='utf-8', newline='')
        text = self._rest + self._file.read()
        whole, _, self._rest = text.rpartition('\n')
        found = []
        for row in csv.reader(whole.splitlines()):
            if not self._columns:
                self._columns = row
                continue
            values = dict(zip(self._columns, row, strict=False))
            found.append((float(values['cost']), float(values['td_error']) if values['td_error'] else None))
        return found
