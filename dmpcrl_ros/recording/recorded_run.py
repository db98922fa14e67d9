"""A run as it was written to disk, read back: see run_directory for the files."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import Step

CONFIGURATION = 'configuration.json'
STEPS = 'steps.csv'
UNTRAINED = 'untrained.csv'
DUAL_ERRORS = 'dual_errors.csv'
STEP_COLUMNS = ('step', 'td_error', 'cost', 'explored', 'rounds', 'fault')
PARAMETER_COLUMNS = ('step', 'updates')
DUAL_ERROR_COLUMNS = ('iteration', 'initial state', 'a state of the run')


class RunDirectoryError(ValueError):
    """A directory cannot take a run or holds none that can be read; the message says which and what to do."""


class ParameterHistory(NamedTuple):
    """theta of one agent: its rows (p,) with the control step and the number of updates from which each held."""

    steps: np.ndarray
    updates: np.ndarray
    theta: np.ndarray
    labels: list[str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """T transitions of n states and m inputs, stacked over agents in their order.

    Args:
        configuration: what configuration.json holds.
        steps: t (T,), int. states: (T, n). actions: (T, m). costs: L_i, (T, n_agents).
        td_error: (T,), NaN where none was evaluated. explored: (T,), bool. rounds: (T,), int.
        faults: one text for each step, empty where all went well.
        parameters: history of theta_i by the name of the agent.
    """

    configuration: dict[str, Any]
    steps: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    costs: np.ndarray
    td_error: np.ndarray
    explored: np.ndarray
    rounds: np.ndarray
    faults: list[str]
    parameters: dict[str, ParameterHistory]

    @property
    def settings(self) -> Settings:
        """The settings of the run, to repeat it.

        Raises:
            RunDirectoryError: this version of the package refuses them.
        """
        try:
            return Settings(**self.configuration['settings'])
        except (KeyError, TypeError, ValueError) as error:
            raise RunDirectoryError(f'the settings of the run do not fit this version of dmpcrl_ros: {error}') from None

    @property
    def episode_length(self) -> int:
        """Control steps of an episode; 0 for an endless one."""
        return self.configuration.get('episode_length', 0)

    @property
    def ends(self) -> np.ndarray:
        """Whether a transition is the last of its episode, from which nothing is learned, (T,)."""
        length = self.episode_length
        return (self.steps + 1) % length == 0 if length else np.zeros(len(self.steps), dtype=bool)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names, in the order of the columns."""
        return tuple(_sizes(self.configuration))

    @property
    def state_parts(self) -> list[slice]:
        """Columns of `states` of each agent."""
        return _parts([sizes[0] for sizes in _sizes(self.configuration).values()])

    @property
    def input_parts(self) -> list[slice]:
        """Columns of `actions` of each agent."""
        return _parts([sizes[1] for sizes in _sizes(self.configuration).values()])

    @property
    def state_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all states, (n,) each; infinite where there is none."""
        return self._bounds('state')

    @property
    def input_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of all inputs, (m,) each; infinite where there is none."""
        return self._bounds('input')

    def layout(self, agent: str) -> ParameterLayout:
        """Named slices of the theta of an agent."""
        shapes = next(a['parameters'] for a in self.configuration['agents'] if a['name'] == agent)
        return ParameterLayout({name: tuple(shape) for name, shape in shapes.items()})

    def _bounds(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = ([value for agent in self.configuration['agents'] for value in agent[f'{kind}_{side}']]
                        for side in ('lower', 'upper'))
        return (np.array([-np.inf if value is None else value for value in lower], dtype=float),
                np.array([np.inf if value is None else value for value in upper], dtype=float))


def parameters_file(agent: str) -> str:
    """Name of the file with the parameters of an agent."""
    return f'parameters_{agent}.csv'


def step_columns(agents: Mapping[str, tuple[int, int]]) -> list[str]:
    """Header of steps.csv, for the numbers of states and inputs of each agent."""
    values = [f'{name}.{symbol}[{k}]' for name, sizes in agents.items()
              for symbol, size in zip('xu', sizes, strict=True) for k in range(size)]
    return [*STEP_COLUMNS, *(f'cost.{name}' for name in agents), *values]


def recorded_arrays(run: Run | Sequence[Step]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """steps (T,), states (T, n) and costs (T, n_agents) of a run or of as many transitions that were not written."""
    if hasattr(run, 'costs'):
        return getattr(run, 'steps', np.arange(len(run.costs))), run.states, run.costs
    if not run:
        return np.zeros(0, dtype=int), np.zeros((0, 0)), np.zeros((0, 0))
    return (np.array([step.step for step in run], dtype=int), np.array([step.states for step in run]),
            np.array([step.costs for step in run]))


def load_run(path: str | Path) -> Run:
    """Read a run. The last line of a file is left out if it is not whole, as after a run was killed.

    Raises:
        RunDirectoryError: there is no run in the directory, or a file of it is damaged; says where.
    """
    path = Path(path)
    configuration = _configuration(path)
    try:
        sizes = _sizes(configuration)
        layouts = {a['name']: [*PARAMETER_COLUMNS, *a['labels']] for a in configuration['agents']}
    except (KeyError, TypeError) as error:
        raise RunDirectoryError(f'{path / CONFIGURATION} is not the configuration of a run: no {error}') from None
    parameters = {agent: _parameters(path / parameters_file(agent), header) for agent, header in layouts.items()}
    return Run(configuration=configuration, parameters=parameters, **_steps(path / STEPS, sizes))


def load_untrained(run: Run, path: str | Path) -> Run | None:
    """The untrained controllers on the same noise as `run`, which was read from `path`; None if they were not recorded.

    Raises:
        RunDirectoryError: their file is damaged; says where.
    """
    file = Path(path, UNTRAINED)
    return replace(run, parameters={}, **_steps(file, _sizes(run.configuration))) if file.exists() else None


def load_dual_errors(path: str | Path) -> dict[str, np.ndarray] | None:
    """Errors of the multipliers after ADMM iterations 1, 2, ... by the state that they are of; None if not recorded.

    Raises:
        RunDirectoryError: the file is damaged; says where.
    """
    file = Path(path, DUAL_ERRORS)
    rows = list(_rows(file, [*DUAL_ERROR_COLUMNS], lambda row: [*map(float, row)])) if file.exists() else []
    return dict(zip(DUAL_ERROR_COLUMNS[1:], np.array(rows).T[1:], strict=True)) if rows else None


def _steps(file: Path, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """The fields of a Run that stand in a file of transitions."""
    header = step_columns(sizes)
    rows = list(_rows(file, header, _step))
    first = len(STEP_COLUMNS)
    columns = list(zip(*rows, strict=True))[:first] if rows else [()] * first
    step, td_error, _, explored, rounds, faults = columns
    numbers = np.array([row[first:] for row in rows], dtype=float).reshape(-1, len(header) - first)
    costs, values = np.split(numbers, [len(sizes)], axis=1)
    cuts = np.cumsum([n for n_x_n_u in sizes.values() for n in n_x_n_u])[:-1]
    parts = np.split(values, cuts, axis=1)  # states and inputs by turns, agent after agent
    return {
        'steps': np.array(step, dtype=int), 'states': np.hstack(parts[0::2]), 'actions': np.hstack(parts[1::2]),
        'costs': costs.copy(), 'td_error': np.array(td_error, dtype=float), 'explored': np.array(explored, dtype=bool),
        'rounds': np.array(rounds, dtype=int), 'faults': list(faults)}


def _configuration(path: Path) -> dict[str, Any]:
    try:
        return json.loads((path / CONFIGURATION).read_text(encoding='utf-8'))
    except (FileNotFoundError, NotADirectoryError):
        raise RunDirectoryError(f'{path} holds no run: there is no {CONFIGURATION}') from None
    except OSError as error:
        raise RunDirectoryError(f'cannot read {path / CONFIGURATION}: {error.strerror}') from None
    except ValueError as error:
        raise RunDirectoryError(f'{path / CONFIGURATION} is damaged: {error}') from None


def _parameters(file: Path, header: list[str]) -> ParameterHistory:
    rows = list(_rows(file, header, lambda row: [int(row[0]), int(row[1]), *map(float, row[2:])]))
    first = len(PARAMETER_COLUMNS)
    return ParameterHistory(
        np.array([row[0] for row in rows], dtype=int), np.array([row[1] for row in rows], dtype=int),
        np.array([row[first:] for row in rows], dtype=float).reshape(-1, len(header) - first), header[first:])


def _step(row: list[str]) -> list:
    step, td_error, cost, explored, rounds, fault, *values = row
    return [int(step), float(td_error or 'nan'), float(cost), bool(int(explored)), int(rounds), fault,
            *map(float, values)]


def _rows(file: Path, header: list[str], parse: Callable[[list[str]], list]) -> Iterator[list]:
    """Whole lines below the header. A line without its end is dropped even if it parses: digits may be missing."""
    try:
        data = file.read_bytes()
        text = data[:data.rfind(b'\n') + 1].decode('utf-8')
    except OSError as error:
        raise RunDirectoryError(f'cannot read {file}: {error.strerror}') from None
    except UnicodeDecodeError as error:
        raise RunDirectoryError(f'{file} is damaged: {error}') from None
    lines = text.split('\n')[:-1]
    if lines and next(csv.reader(lines[:1])) != header:
        raise RunDirectoryError(f'{file} has other columns than {CONFIGURATION} says')
    reader = csv.reader(lines[1:])
    try:
        for row in reader:
            if len(row) != len(header):
                raise ValueError(f'{len(row)} columns instead of {len(header)}')
            yield parse(row)
    except (csv.Error, ValueError) as error:
        raise RunDirectoryError(f'{file}, line {reader.line_num + 1} is damaged: {error}') from None


def _sizes(configuration: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {agent['name']: (agent['n_x'], agent['n_u']) for agent in configuration['agents']}


def _parts(sizes: list[int]) -> list[slice]:
    ends = np.cumsum([0, *sizes]).tolist()
    return [slice(start, stop) for start, stop in zip(ends, ends[1:], strict=False)]
