# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Runs of systems and methods that are no MPC: finite spaces, methods without parameters or metrics, unequal agents."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dmpcrl_ros.cli.commands import main
from dmpcrl_ros.core.agent import AgentSpec, StepReport
from dmpcrl_ros.core.exchange import Act
from dmpcrl_ros.core.graph import CouplingGraph
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.settings import NoSettings
from dmpcrl_ros.core.spaces import EMPTY, Box, Finite
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.recording.figures import learning_curves, save_all, states_and_inputs
from dmpcrl_ros.recording.policy import Policy
from dmpcrl_ros.recording.recorded_loop import recorded
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_run, load_untrained
from dmpcrl_ros.recording.summary import fault_lines, summarise, summary_table
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.registry import SYSTEMS
from dmpcrl_ros.systems.system import System


class Counters(System):
    """A lamp that is on or off beside a dial of five places with two knobs, and a meter without an action."""

    name = 'counters'
    graph = CouplingGraph([[1], [], [0]])
    episode_length = 5
    agents = (
        AgentSpec(name='lamp', state=Finite((2,)), action=Finite((2,)), exogenous=EMPTY, safe_action=np.zeros(1)),
        AgentSpec(name='dial', state=Finite((5, 3)), action=Finite((3, 2)), exogenous=EMPTY, safe_action=np.zeros(2)),
        AgentSpec(
            name='meter',
            state=Box(np.array([-np.inf]), np.array([4.0])),
            action=EMPTY,
            exogenous=EMPTY,
            safe_action=np.zeros(0),
        ),
    )

    def plant(self, seed):
        return CountersPlant()


class CountersPlant:
    """Counts steps of the episode: the lamp shows the last bit, the dial and the meter the number."""

    def __init__(self):
        self.reset(0)

    def reset(self, seed):
        self.begin_episode(0)

    def begin_episode(self, index):
        self._count = 0

    def observe(self):
        count = float(self._count)
        return [np.array([count % 2]), np.array([count % 5, count % 3]), np.array([count])], [np.zeros(0)] * 3

    def step(self, actions):
        self._count += 1
        return np.array([actions[0][0], actions[1].sum(), 0.25])


@dataclass
class Silent:
    """A method without parameters, whose actions depend on the step only, and which fails in every fourth step."""

    name: str = 'silent'
    title: str = 'no parameters'
    settings: type = NoSettings
    requires: type = System
    metrics: tuple = ()

    def layout(self, system, index):
        return ParameterLayout({})

    def agent(self, system, index, settings, *, seed, learn):
        return SilentAgent(system.agents[index], self.metrics)


class SilentAgent:
    layout, theta, updates = ParameterLayout({}), np.zeros(0), 0

    def __init__(self, spec, metrics):
        self._spec, self._metrics = spec, metrics

    def step(self, observation):
        if False:
            yield
        yield Act(self._spec.action.nearest(np.full(self._spec.action.size, float(observation.step % 2))))
        late = observation.step % 4 == 0 and observation.step
        values = {} if late else {'loss': -1.0 / (1 + observation.step), 'stopped': 1.0, 'norm': 2.0}
        return StepReport(
            updates=self.updates,
            fault='late' if late else '',
            metrics={metric.name: values[metric.name] for metric in self._metrics if metric.name in values},
        )


TALKING = Silent(
    name='talking',
    metrics=(
        Metric(name='loss', meaning='of a step', unit='J', column='ended'),
        Metric(name='norm', meaning='unrecorded'),
        Metric(name='stopped', meaning='a flag', column='ended', flag=True),
    ),
)


class Source:
    name, title, settings = 'counters', 'lamp, dial and meter', NoSettings

    def make(self, settings):
        return Counters()


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """The system and the methods, as if they were entry points."""
    for registry, found in ((SYSTEMS, {'counters': Source()}), (METHODS, {'silent': Silent(), 'talking': TALKING})):
        entries = {name: Entry(name, thing) for name, thing in found.items()}
        monkeypatch.setattr(registry, '_declared', lambda entries=entries: entries)


class Entry:
    def __init__(self, name, thing):
        self.name, self.value, self.load = name, 'test', lambda: thing


def run_of(path, method, steps=12):
    list(recorded(Settings(system='counters', method=method, steps=steps), path))
    return load_run(path)


def test_a_run_without_parameters_and_metrics_comes_back(tmp_path):
    run = run_of(tmp_path / 'run', 'silent')
    assert run.settings == Settings(system='counters', method='silent', steps=12)
    assert (run.metrics, run.declared_metrics, run.updates) == ({}, (), 0)
    assert (run.states.shape, run.actions.shape) == ((12, 4), (12, 3))
    assert run.states[:, 0].tolist() == [0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1]  # episodes of five
    assert run.states[:, 3].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert run.costs[1].tolist() == [1.0, 2.0, 0.25]
    assert run.state_bounds[0].tolist() == [0, 0, 0, -np.inf] and run.state_bounds[1].tolist() == [1, 4, 2, 4]
    assert run.input_bounds[1].tolist() == [1, 2, 1]
    assert [history.theta.shape for history in run.parameters.values()] == [(1, 0)] * 3
    assert (tmp_path / 'run' / 'parameters_dial.csv').read_text() == 'step,updates\n0,0\n'
    header = (tmp_path / 'run' / 'steps.csv').read_text().splitlines()[0]
    assert header == (
        'step,cost,rounds,fault,cost.lamp,cost.dial,cost.meter,lamp.x[0],lamp.u[0],dial.x[0],dial.x[1],'
        'dial.u[0],dial.u[1],meter.x[0]'
    )


def test_steps_are_void_by_their_faults_where_there_are_no_metrics(tmp_path):
    """Faults come with the transitions that end in steps 4, 8 and 12; the transition from 4 to 5 ends an episode."""
    run = run_of(tmp_path / 'run', 'silent')
    assert [step for step, fault in enumerate(run.faults) if fault] == [3, 7, 11]
    assert np.flatnonzero(run.void).tolist() == [3, 7, 11]
    assert fault_lines(run) == ['void steps: 3 of 12 (25 %)', '  in 3 steps: late']
    long = run_of(tmp_path / 'long', 'silent', 20)  # 19 ends in step 20, an episode
    assert long.faults[19] == 'late' and np.flatnonzero(long.void).tolist() == [3, 7, 11, 15]


def test_steps_are_void_where_no_metric_of_them_was_reported(tmp_path):
    run = run_of(tmp_path / 'run', 'talking')
    assert list(run.metrics) == ['loss', 'stopped']
    assert np.flatnonzero(np.isnan(run.metrics['loss'])).tolist() == [3, 7, 11] == np.flatnonzero(run.void).tolist()
    rows = list(csv.DictReader((tmp_path / 'run' / 'steps.csv').read_text().splitlines()))
    assert [(row['loss'], row['stopped']) for row in rows[2:4]] == [('-0.25', '1'), ('', '')]
    first, _ = summarise(run, part=3)
    assert first.metrics == {'loss': pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3), 'stopped': 1.0}
    headings = [column.header for column in summary_table(run).columns]
    assert headings[-2:] == ['\n|loss|', '\nstopped']


def test_figures_have_a_panel_for_each_number_that_is_reported_of_a_transition(tmp_path):
    run = run_of(tmp_path / 'run', 'talking')
    loss, cost = learning_curves(run).axes
    assert (loss.get_ylabel(), cost.get_ylabel()) == ('|loss| (J)', 'network stage cost (-)')
    assert loss.lines[0].get_ydata()[:3].tolist() == [1 / 2, 1 / 3, 1 / 4]
    labels = [line.get_label() for line in loss.lines if not line.get_label().startswith('_')]
    assert labels == ['step', 'mean of 100 steps']  # nothing explores
    assert len(learning_curves(run_of(tmp_path / 'silent', 'silent')).axes) == 1


def test_states_of_finite_spaces_are_drawn_with_their_ends(tmp_path):
    figure = states_and_inputs(run_of(tmp_path / 'run', 'silent'))
    shown = {
        (axes.get_subplotspec().rowspan.start, axes.get_subplotspec().colspan.start): axes
        for axes in figure.axes
        if axes.get_visible()
    }
    assert sorted(shown) == [(0, 0), (0, 1), (0, 2), (1, 1), (2, 0), (2, 1), (3, 1)]
    lines = [line for line in shown[0, 1].lines if len(line.get_xdata()) == 12]
    assert lines[0].get_ydata().tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert sorted(line.get_ydata()[0] for line in shown[0, 1].lines[1:]) == [0.0, 4.0]
    names = [path.name for path in save_all(run_of(tmp_path / 'other', 'silent'), tmp_path)]
    assert names == ['states_and_inputs.png', 'learning_curves.png']


def test_a_policy_of_no_parameters_fits(tmp_path):
    run_of(tmp_path / 'first', 'silent')
    list(
        recorded(
            Settings(system='counters', method='silent', steps=2),
            tmp_path / 'second',
            policy=Policy(tmp_path / 'first'),
        )
    )
    assert load_run(tmp_path / 'second').configuration['extra']['policy']['run'] == 'first'
    with pytest.raises(RunDirectoryError, match='no recorded parameters of agent_1'):
        list(recorded(Settings(steps=2), tmp_path / 'third', policy=Policy(tmp_path / 'first')))


def invoked(*arguments):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_the_commands_take_them(tmp_path):
    done = invoked('train', 'counters', '--method', 'talking', '--steps', 12, '--output', tmp_path / 'run')
    assert done.exit_code == 0, done.output
    assert 'counters, 3 agents, seed 1' in done.output and '|loss|' in done.output
    assert 'dual_error' not in done.output and load_untrained(load_run(tmp_path / 'run'), tmp_path / 'run') is None
    refused = invoked('evaluate', tmp_path / 'run')
    assert refused.exit_code == 1 and 'is a run without learning' in refused.output
    central = invoked('train', 'counters', '--method', 'silent', '--central', '--output', tmp_path / 'central')
    assert central.exit_code == 1 and 'method silent has no centralised twin' in central.output
    assert not (tmp_path / 'central').exists()


def test_a_run_is_read_and_drawn_where_its_system_and_method_are_not_installed(tmp_path, monkeypatch):
    run_of(tmp_path / 'run', 'talking')
    file = Path(tmp_path / 'run' / 'configuration.json')
    configuration = json.loads(file.read_text())
    configuration['settings'] |= {'system': 'elsewhere', 'method': 'unheard_of'}
    file.write_text(json.dumps(configuration))
    run = load_run(tmp_path / 'run')
    assert np.nanmean(run.metrics['loss']) < 0 and run.void.any()
    with pytest.raises(RunDirectoryError, match='do not fit this version.*elsewhere'):
        _ = run.settings
    done = invoked('plot', tmp_path / 'run')
    assert done.exit_code == 0 and 'learning_curves.png' in done.output, done.output
