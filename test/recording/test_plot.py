# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""`dmpcrl plot` draws the figures of the run itself again, from its directory."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from dmpcrl_ros.cli.commands import main

CARTS = Path(__file__).parents[2] / 'config' / 'three_carts.yaml'
FIGURES = ['states_and_inputs', 'learning_curves', 'parameters', 'dual_error']


def dmpcrl(*arguments):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def figures(directory):
    return {path.name: path.read_bytes() for path in directory.glob('*.png')}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A run on a network whose file is gone afterwards, with its figures."""
    folder = tmp_path_factory.mktemp('run')
    shutil.copy(CARTS, folder / 'carts.yaml')
    done = dmpcrl('train', folder / 'carts.yaml', '--steps', 60, '--coordination', 'admm', '--output', folder / 'run')
    assert done.exit_code == 0, done.output
    (folder / 'carts.yaml').unlink()
    return folder / 'run'


def copied(run, path, without=()):
    shutil.copytree(run, path, ignore=shutil.ignore_patterns('*.png', *without))
    return path


def test_the_figures_are_those_of_the_run_to_the_last_byte(run, tmp_path):
    again = copied(run, tmp_path / 'again')
    done = dmpcrl('plot', again)
    assert done.exit_code == 0, done.output
    assert {f'{name}.png' for name in FIGURES} < figures(run).keys()
    assert figures(again) == figures(run)


def test_a_directory_of_before_has_what_can_be_drawn_of_it(run, tmp_path):
    old = copied(run, tmp_path / 'old', without=('untrained.csv', 'dual_errors.csv'))
    done = dmpcrl('plot', old)
    assert done.exit_code == 0 and 'dual_error.png cannot be drawn' in done.output, done.output
    drawn, before = figures(old), figures(run)
    assert drawn.keys() == before.keys() - {'dual_error.png'}
    assert {name for name in drawn if drawn[name] != before[name]} == {'learning_curves.png'}


def test_a_run_without_figures_gets_all_of_them_later(tmp_path):
    done = dmpcrl(
        'train', 'chain', '--steps', 8, '--coordination', 'admm', '--no-figures', '--output', tmp_path / 'run'
    )
    assert done.exit_code == 0 and not figures(tmp_path / 'run'), done.output
    assert dmpcrl('plot', tmp_path / 'run').exit_code == 0
    assert {f'{name}.png' for name in FIGURES} <= figures(tmp_path / 'run').keys()


@pytest.mark.parametrize(
    ('command', 'message'),
    [('plot', 'has no recorded steps to draw'), ('evaluate', 'has no recorded parameters of agent_1')],
)
def test_a_run_without_a_step_gives_one_clear_line(tmp_path, command, message):
    dmpcrl('train', 'chain', '--steps', 1, '--no-figures', '--no-baseline', '--output', tmp_path / 'run')
    for file in (tmp_path / 'run').glob('*.csv'):
        file.write_text(file.read_text().splitlines(keepends=True)[0])
    done = dmpcrl(command, tmp_path / 'run')
    assert done.exit_code == 1 and message in done.output and len(done.output.splitlines()) == 1, done.output
