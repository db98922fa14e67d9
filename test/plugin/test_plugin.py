# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A system and a method of another package: in process and over ROS 2, bit for bit, without touching this package."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from ros_system import dmpcrl

EXAMPLE = Path(__file__).parent / 'example'
RUN = ['ring_game', '--method', 'tabular_td', '--steps', 150, '--seed', 3]
FEWER = ['--steps', 90, '--no-figures', '--no-baseline']
OVER_ROS = ['run', *RUN, *FEWER, '--round-timeout', 20]


@pytest.fixture(autouse=True)
def example(install):
    """The example as an installed package."""
    install(
        'ring_game',
        {
            'dmpcrl_ros.systems': {'ring_game': 'ring_game:RING'},
            'dmpcrl_ros.methods': {'tabular_td': 'ring_game:TABULAR_TD'},
        },
        (EXAMPLE / 'ring_game.py').read_text(),
    )


def train(output, *options):
    done = dmpcrl('train', *RUN, *options, '--output', output)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(directory, name='steps.csv'):
    with open(directory / name, newline='') as file:
        return list(csv.DictReader(file))


def test_it_learns_and_is_recorded_with_its_own_metrics_and_figures(tmp_path):
    """The mean cost of the last 50 steps is below that of the untrained agents, which never serve."""
    said = train(tmp_path / 'run')
    found = rows(tmp_path / 'run')
    assert len(found) == 150 and {'td_error', 'random_action', 'queue_0.x[0]', 'queue_3.u[0]'} <= found[0].keys()
    assert 'admm' not in (tmp_path / 'run' / 'configuration.json').read_text()
    assert {row['random_action'] for row in found} == {'0', '1'}
    ends = [row['td_error'] == '' for row in found]  # nothing is learned across the end of an episode of 30 steps
    assert [k for k, end in enumerate(ends) if end] == [29, 59, 89, 119, 149]
    untrained = rows(tmp_path / 'run', 'untrained.csv')
    cost, before = (np.mean([float(row['cost']) for row in part[-50:]]) for part in (found, untrained))
    assert cost < 0.8 * before
    assert {file.name for file in (tmp_path / 'run').glob('*.png')} >= {'states_and_inputs.png', 'learning_curves.png'}
    assert 'td_error' in said.lower() or '|td' in said.lower()
    settings = json.loads((tmp_path / 'run' / 'configuration.json').read_text())['settings']
    assert settings['table.rate'] == 0.2 and settings['ring_game.agents'] == 4


def test_its_settings_are_options_of_the_command_and_refused_where_it_does_not_run(tmp_path):
    help_text = dmpcrl('train', 'ring_game', '--method', 'tabular_td', '--help').stdout
    assert '--table.rate' in help_text and '--ring-game.agents' in help_text and '--admm' not in help_text
    assert '--table.rate' not in dmpcrl('train', '--help').stdout
    train(tmp_path / 'run', '--table.exploration', 'never', '--no-figures', '--no-baseline')
    assert {row['random_action'] for row in rows(tmp_path / 'run')} == {'0'}
    refused = dmpcrl('train', *RUN[:3], '--table.rate', 7)
    assert refused.returncode == 2 and 'table.rate must be from 0 to 1' in refused.stderr
    wrong = dmpcrl('train', 'ring_game', '--steps', 5)
    assert wrong.returncode == 2 and 'q_learning needs a system of kind MpcSystem' in wrong.stderr, wrong.stderr


@pytest.mark.timeout(240)
@pytest.mark.parametrize('options', [[], ['--agents-per-process', 3]], ids=['a node each', 'three to a node'])
def test_the_numbers_over_ros_are_those_in_process(tmp_path, domain, options):
    pytest.importorskip('rclpy')
    done = dmpcrl(*OVER_ROS, *options, '--output', tmp_path / 'ros')
    assert done.returncode == 0, done.stdout + done.stderr
    train(tmp_path / 'process', *FEWER)
    names = {file.name for file in (tmp_path / 'process').glob('*.csv')}
    assert names == {file.name for file in (tmp_path / 'ros').glob('*.csv')} and len(names) == 5
    for name in names:
        assert (tmp_path / 'ros' / name).read_text() == (tmp_path / 'process' / name).read_text(), name


@pytest.mark.timeout(240)
def test_it_continues_from_its_checkpoints(tmp_path, domain):
    """A second run over ROS 2 begins with the table that the first has left, and counts its updates on."""
    pytest.importorskip('rclpy')
    for run in ('first', 'second'):
        done = dmpcrl(*OVER_ROS, '--checkpoints', tmp_path / 'kept', '--output', tmp_path / run)
        assert done.returncode == 0, done.stdout + done.stderr
    last, first = (
        (tmp_path / run / 'parameters_queue_1.csv').read_text().splitlines()[line].split(',')
        for run, line in (('first', -1), ('second', 1))
    )
    assert int(last[1]) > 60 and last[1:] == first[1:]
