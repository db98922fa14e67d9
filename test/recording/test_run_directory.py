# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A run written and read back: every bit of its numbers; damaged and occupied directories."""

import csv
import errno
import json
import os
import pickletools
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers import directed_network

from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.recording.run_directory import RunWriter, UntrainedWriter, check_unused, record_dual_errors
from dmpcrl_ros.recording.run_files import RunDirectoryError
from dmpcrl_ros.recording.run_reader import load_dual_errors, load_run, load_untrained
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import Step
from dmpcrl_ros.systems.linear.formulation import initial_parameters, parameter_layout

# tank has 2 states and 1 input, valve 1 and 2, heater 3 and 1: stacked 6 and 4.
NETWORK = directed_network()
SETTINGS = Settings(seed=7, steps=12, learning__rate=0.1 + 0.2)
LARGEST, SMALLEST, SUBNORMAL = sys.float_info.max, sys.float_info.min, 5e-324


def step(number, states=None, td_error=0.25, explored=0.0, **changes):
    states = np.arange(6.0) if states is None else np.array(states)
    whole = Step(
        number,
        states,
        np.arange(4.0) / 7,
        np.full(3, 0.1),
        {
            'td_error': td_error,
            'explored': explored,
            'coordination_change': np.nan,
            'certified': np.nan,
            'learning_held': 0.0,
        },
        30,
        ('', '', ''),
    )
    return replace(whole, **changes)


def written(path, *steps):
    with RunWriter(path, NETWORK, SETTINGS) as writer:
        for one in steps:
            writer.record(one)
    return path


def bits(array):
    return np.asarray(array, dtype=float).view(np.uint64).tolist()


def test_numbers_come_back_bit_for_bit(tmp_path):
    extremes = [0.1 + 0.2, -0.0, LARGEST, -SMALLEST, SUBNORMAL, np.nextafter(1.0, 2.0)]
    draw = np.random.default_rng(3)
    random = draw.integers(0, 0x7FE, 40 * 6).astype(np.uint64) << np.uint64(52) | draw.integers(
        0, 2**52, 40 * 6
    ).astype(np.uint64)  # any exponent, any mantissa
    steps = [step(0, extremes, td_error=1 / 3, costs=np.array(extremes[:3])), step(1, [np.inf, -np.inf, *extremes[:4]])]
    steps += [step(2 + k, row) for k, row in enumerate(random.view(float).reshape(40, 6))]
    run = load_run(written(tmp_path / 'run', *steps))
    assert bits(run.states) == bits([s.states for s in steps])
    assert bits(run.actions) == bits([s.actions for s in steps])
    assert bits(run.costs) == bits([s.costs for s in steps])
    assert bits(run.metrics['td_error']) == bits([s.metrics['td_error'] for s in steps])
    assert run.steps.tolist() == list(range(42))


def test_what_is_no_number_comes_back_too(tmp_path):
    faults = ('broke, "here"\nand there', '', 'void')
    odd = step(4, td_error=np.nan, explored=1.0, rounds=17, faults=faults)
    run = load_run(written(tmp_path / 'run', odd, step(5, explored=np.nan), step(6)))
    assert np.isnan(run.metrics['td_error']).tolist() == [True, False, False]
    assert run.metrics['explored'] == pytest.approx([1.0, np.nan, 0.0], nan_ok=True)
    assert (run.rounds.tolist(), run.steps.tolist()) == ([17, 30, 30], [4, 5, 6])
    assert run.faults == ['broke, "here" and there; void', '', '']
    assert run.void.tolist() == [True, False, False]


def test_columns_are_named_agent_by_agent(tmp_path):
    file = written(tmp_path / 'run', step(3, td_error=np.nan), step(4, explored=1.0), step(5, explored=np.nan))
    first, second, *others = (file / 'steps.csv').read_text().splitlines()
    assert first == (
        'step,cost,td_error,explored,coordination_change,certified,learning_held,rounds,fault,cost.tank,cost.valve,cost.heater,'
        'tank.x[0],tank.x[1],tank.u[0],valve.x[0],valve.u[0],valve.u[1],'
        'heater.x[0],heater.x[1],heater.x[2],heater.u[0]'
    )
    cells = second.split(',')
    assert (cells[0], cells[2:9]) == ('3', ['', '0', '', '', '0', '30', ''])
    assert [line.split(',')[2:4] for line in others] == [['0.25', '1'], ['0.25', '']]
    assert float(cells[1]) == pytest.approx(0.3)  # three times 0.1
    assert cells[12:18] == ['0.0', '1.0', '0.0', '2.0', repr(1 / 7), repr(2 / 7)]


def test_parameters_come_back_with_their_names(tmp_path):
    data = NETWORK.local[1]
    layout = parameter_layout(data, NETWORK.structure)
    initial = initial_parameters(data, NETWORK.structure)
    with RunWriter(tmp_path / 'run', NETWORK, SETTINGS) as writer:
        writer.record_parameters(1, 0, 0, initial)
        writer.record_parameters(1, 2, 1, initial + 1 / 3)
    run = load_run(tmp_path / 'run')
    steps, updates, theta, labels = run.parameters['valve']
    assert (steps.tolist(), updates.tolist(), labels) == ([0, 2], [0, 1], layout.labels)
    assert bits(theta) == bits([initial, initial + 1 / 3])
    assert run.layout('valve').shapes == layout.shapes
    assert run.parameters['tank'].theta.shape == (0, len(run.parameters['tank'].labels))


def test_what_else_the_figures_need_comes_back_bit_for_bit(tmp_path):
    run = load_run(written(tmp_path / 'run', step(0), step(1)))
    assert load_untrained(run, tmp_path / 'run') is None and load_dual_errors(tmp_path / 'run') is None
    steps = [step(k, np.arange(6.0) / 7, costs=np.full(3, 0.1 * k)) for k in range(3)]
    with UntrainedWriter(tmp_path / 'run', NETWORK, SETTINGS) as writer:
        for one in steps:
            writer.record(one)
    errors = {'initial state': np.array([1 / 3, 0.0]), 'a state of the run': np.array([LARGEST, SUBNORMAL])}
    record_dual_errors(tmp_path / 'run', errors)
    untrained = load_untrained(run, tmp_path / 'run')
    assert untrained.steps.tolist() == [0, 1, 2] and len(load_run(tmp_path / 'run').steps) == 2
    assert bits(untrained.states) == bits([s.states for s in steps])
    assert bits(untrained.costs) == bits([s.costs for s in steps])
    found = load_dual_errors(tmp_path / 'run')
    assert {name: bits(values) for name, values in found.items()} == {k: bits(v) for k, v in errors.items()}


def test_the_configuration_repeats_the_run_and_says_with_what(tmp_path):
    extra = {'thetas': np.array([1.5]), 'note': 'first'}
    with RunWriter(tmp_path / 'run', NETWORK, SETTINGS, extra=extra):
        pass
    run = load_run(tmp_path / 'run')
    assert run.settings == SETTINGS
    assert run.agents == ('tank', 'valve', 'heater')
    assert (run.state_parts, run.input_parts) == (
        [slice(0, 2), slice(2, 3), slice(3, 6)],
        [slice(0, 1), slice(1, 3), slice(3, 4)],
    )
    assert run.state_bounds[0].tolist() == [-0.3, -0.5, -np.inf, -0.1, -0.5, -0.4]
    assert run.state_bounds[1].tolist() == [0.5, 0.6, 0.55, np.inf, 0.4, 0.4]
    assert run.input_bounds[1].tolist() == [0.8, 0.5, 0.4, 0.7]
    assert run.configuration['extra'] == {'thetas': [1.5], 'note': 'first'}
    assert (run.configuration['system'], run.configuration['method'], run.configuration['seed']) == (
        'directed',
        'q_learning',
        7,
    )
    assert run.declared_metrics == SETTINGS.make_method().metrics
    assert (run.configuration['settings']['admm.rho'], run.configuration['settings']['learning.rate']) == (
        'auto',
        0.1 + 0.2,
    )
    assert run.configuration['started'].endswith('+00:00')
    assert set(run.configuration['versions']) == {
        'dmpcrl_ros',
        'python',
        'platform',
        'numpy',
        'scipy',
        'casadi',
        'daqp',
    }
    text = (tmp_path / 'run/configuration.json').read_text()
    json.loads(text, parse_constant=pytest.fail)  # Infinity and NaN are no JSON


def test_a_row_can_be_read_before_the_run_ends(tmp_path):
    with RunWriter(tmp_path / 'run', NETWORK, SETTINGS) as writer:
        assert len(load_run(tmp_path / 'run').steps) == 0
        writer.record(step(0))
        assert load_run(tmp_path / 'run').steps.tolist() == [0]


def test_a_killed_run_keeps_its_steps(tmp_path):
    program = (
        f'import os, sys; sys.path[:0] = {sys.path!r}; from test_run_directory import *; '
        f'w = RunWriter({str(tmp_path / "run")!r}, NETWORK, SETTINGS); [w.record(step(k)) for k in range(9)]; '
        'os.kill(os.getpid(), 9)'
    )
    folder = __file__.rpartition('/')[0]
    assert subprocess.run([sys.executable, '-c', program], cwd=folder, env={'PYTHONPATH': folder}).returncode == -9
    assert load_run(tmp_path / 'run').steps.tolist() == list(range(9))


@pytest.mark.parametrize('missing', [1, 2, 9, 60])
def test_a_last_line_that_is_not_whole_is_left_out(tmp_path, missing):
    """With one character missing the line still has all its columns: without its end a number may lack digits."""
    file = written(tmp_path / 'run', step(0), step(1), step(2)) / 'steps.csv'
    file.write_bytes(file.read_bytes()[:-missing])
    assert load_run(tmp_path / 'run').steps.tolist() == [0, 1]


def test_a_line_may_be_cut_within_a_letter(tmp_path):
    file = written(tmp_path / 'run', step(0), step(1, faults=('\u03b8 refused', '', ''))) / 'steps.csv'
    text = file.read_bytes()
    file.write_bytes(text[: text.index('\u03b8'.encode()) + 1])
    assert load_run(tmp_path / 'run').steps.tolist() == [0]


def test_without_a_whole_header_there_are_no_steps(tmp_path):
    file = written(tmp_path / 'run', step(0)) / 'steps.csv'
    file.write_bytes(file.read_bytes()[:20])
    run = load_run(tmp_path / 'run')
    assert (run.states.shape, run.actions.shape, run.costs.shape) == ((0, 6), (0, 4), (0, 3))
    assert {name: values.shape for name, values in run.metrics.items()} == {
        'td_error': (0,),
        'explored': (0,),
        'coordination_change': (0,),
        'certified': (0,),
        'learning_held': (0,),
    }


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('\n1,0.3', '\n1,O.3', r'steps\.csv, line 3 is damaged: could not convert'),
        ('\n1,0.3', '\n1.5,0.3', r'steps\.csv, line 3 is damaged: invalid literal'),
        ('\n1,0.3', '\n0.3', r'steps\.csv, line 3 is damaged: 21 columns instead of 22'),
        ('\n1,0.3', '\n1,\r,0.3', r'steps\.csv, line 3 is damaged'),
        ('step,', 'time,', r'steps\.csv does not have the columns'),
    ],
)
def test_damage_elsewhere_is_told_with_its_place(tmp_path, old, new, message):
    file = written(tmp_path / 'run', step(0), step(1), step(2)) / 'steps.csv'
    text = file.read_text()
    assert old in text
    file.write_bytes(text.replace(old, new).encode())
    with pytest.raises(RunDirectoryError, match=message):
        load_run(tmp_path / 'run')


def test_a_directory_without_a_run_is_said_to_hold_none(tmp_path):
    for path in (tmp_path, tmp_path / 'missing'):
        with pytest.raises(RunDirectoryError, match='holds no run'):
            load_run(path)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"agents"', 'is damaged'),
        ('{}', "no 'agents'"),
        ('[]', 'is not the'),
        ('{"agents": []}', "no 'metrics'"),
        ('{"agents": [], "metrics": [{"label": 1}]}', 'is not the'),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_to_be_so(tmp_path, text, message):
    (written(tmp_path / 'run') / 'configuration.json').write_text(text)
    with pytest.raises(RunDirectoryError, match=message):
        load_run(tmp_path / 'run')


@pytest.mark.parametrize(
    'left', ['configuration.json', 'steps.csv', 'parameters_heater.csv', 'untrained.csv', 'dual_errors.csv']
)
def test_a_used_directory_is_refused_and_left_alone(tmp_path, left):
    (tmp_path / left).write_text('precious')
    for use in (check_unused, lambda path: RunWriter(path, NETWORK, SETTINGS)):
        with pytest.raises(RunDirectoryError, match='already holds a run: choose another output directory'):
            use(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(left, 'precious')]


@pytest.mark.parametrize('existed', [False, True])
def test_a_run_without_a_transition_leaves_nothing_but_the_directory_that_was_there(tmp_path, existed):
    path = tmp_path / 'run'
    if existed:
        path.mkdir()
    with RunWriter(path, NETWORK, SETTINGS) as writer:
        writer.record_parameters(0, 0, 0, initial_parameters(NETWORK.local[0], NETWORK.structure))
        writer.discard_if_empty()
    assert path.exists() == existed and not list(tmp_path.rglob('*.*'))
    check_unused(path)


def test_a_run_with_a_transition_and_the_files_of_others_are_not_discarded(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    with RunWriter(tmp_path, NETWORK, SETTINGS) as writer:
        writer.discard_if_empty()
    assert [path.name for path in tmp_path.iterdir()] == ['notes.txt']
    with RunWriter(tmp_path, NETWORK, SETTINGS) as writer:
        writer.record(step(0))
        writer.discard_if_empty()
    assert len(load_run(tmp_path).steps) == 1


def test_directories_that_are_missing_empty_or_hold_something_else_are_fine(tmp_path):
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/notes.txt').write_text('mine')
    for path in (tmp_path / 'new/deeper', tmp_path / 'other'):
        check_unused(path)
        assert len(load_run(written(path, step(0))).steps) == 1
    assert (tmp_path / 'other/notes.txt').read_text() == 'mine'


@pytest.mark.parametrize('place', ['file', 'file/below'])
def test_what_cannot_become_a_directory_is_refused(tmp_path, place):
    (tmp_path / 'file').write_text('')
    with pytest.raises(RunDirectoryError, match='is not a directory|cannot write'):
        RunWriter(tmp_path / place, NETWORK, SETTINGS)


def test_a_full_disk_is_said_to_be_one(tmp_path, monkeypatch):
    class Full:
        def write(self, text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with RunWriter(tmp_path / 'run', NETWORK, SETTINGS) as writer:
        monkeypatch.setattr(writer, '_steps', Full())
        with pytest.raises(RunDirectoryError, match='run: No space left'):
            writer.record(step(0))


def test_nothing_is_pickled(tmp_path):
    for path in written(tmp_path / 'run', step(0)).iterdir():
        path.read_text(encoding='utf-8')
        with pytest.raises(ValueError):
            list(pickletools.genops(path.read_bytes()))


@pytest.mark.parametrize('name', ['cost', 'fault', 'cost.tank', 'tank.x[1]'])
def test_a_metric_does_not_take_the_name_of_another_column(tmp_path, monkeypatch, name):
    method = SETTINGS.make_method()
    monkeypatch.setattr(type(method), 'metrics', (Metric(name=name, meaning='none', column='ended'),))
    with pytest.raises(ValueError, match=re.escape(f'two columns {name!r}')):
        RunWriter(tmp_path / 'run', NETWORK, SETTINGS)
    assert not (tmp_path / 'run').exists()


def test_a_number_that_is_a_float64_of_numpy_is_written_as_a_number(tmp_path):
    file = written(tmp_path / 'run', step(0, td_error=np.float64(1 / 3), explored=np.True_)) / 'steps.csv'
    (row,) = csv.DictReader(file.read_text().splitlines())
    assert (row['td_error'], row['explored']) == (repr(1 / 3), '1')


def test_a_run_from_before_the_setting_of_the_coordination_used_admm(tmp_path):
    file = written(tmp_path / 'run', step(0)) / 'configuration.json'
    configuration = json.loads(file.read_text())
    for name in [name for name in configuration['settings'] if name.startswith(('coordination', 'stopping'))]:
        del configuration['settings'][name]
    configuration['settings']['admm.iterations'] = 9
    file.write_text(json.dumps(configuration))
    assert load_run(tmp_path / 'run').settings == SETTINGS.but(coordination='admm', admm__iterations=9)


def test_settings_of_a_record_that_have_no_effect_are_left_out(tmp_path):
    file = written(tmp_path / 'run', step(0)) / 'configuration.json'
    configuration = json.loads(file.read_text())
    configuration['settings']['admm.iterations'] = 10
    file.write_text(json.dumps(configuration))
    assert load_run(tmp_path / 'run').settings == SETTINGS


def test_a_step_without_a_fault_is_not_void(tmp_path):
    """Agents without a learner that act early report no TD error."""
    run = load_run(
        written(tmp_path / 'run', step(0, td_error=np.nan), step(1, td_error=np.nan, faults=('late', '', '')))
    )
    assert run.void.tolist() == [False, True]
