# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Progress shown while a run lasts, and how the file of another process is followed."""

import io

import pytest
from rich.console import Console

from dmpcrl_ros.cli.progress import RunProgress, StepsFollower
from dmpcrl_ros.methods.method import Metric

METRICS = (
    Metric(name='td_error', meaning='m', column='ended'),
    Metric(name='value', meaning='m'),
    Metric(name='explored', meaning='m', column='begun', flag=True),
    Metric(name='gap', meaning='m', column='ended'),
    Metric(name='held', meaning='m', column='ended', flag=True),
)
HEADER = 'step,cost,td_error,explored,gap,held,rounds,fault,cost.a,a.x[0]\n'


def note(bar):
    (task,) = bar.progress.tasks
    return task.completed, task.fields['note'].rpartition(' ')[0]


def test_the_bar_shows_means_of_magnitudes_of_what_was_evaluated():
    with RunProgress(Console(file=io.StringIO()), 300, 'run', METRICS) as bar:
        bar.add(2.0, {'td_error': -3.0, 'gap': float('nan'), 'explored': 1.0})
        assert note(bar) == (1, 'cost 2.000 |TD error| 3.000 |gap| 0.000')
        bar.add(4.0, {'gap': 0.5})
        assert note(bar) == (2, 'cost 3.000 |TD error| 3.000 |gap| 0.500')
        for _ in range(100):
            bar.add(7.0, {'td_error': 1.0})
        assert note(bar) == (102, 'cost 7.000 |TD error| 1.000 |gap| 0.500')


def test_without_metrics_the_bar_shows_the_cost():
    with RunProgress(Console(file=io.StringIO()), 3, 'run') as bar:
        bar.add(2.0, {'td_error': 1.0})
        assert note(bar) == (1, 'cost 2.000')


@pytest.fixture
def follower(tmp_path):
    return StepsFollower(tmp_path / 'steps.csv', METRICS)


def test_rows_are_followed_as_they_are_written(follower, tmp_path):
    assert follower.rows() == []
    with open(tmp_path / 'steps.csv', 'w', buffering=1) as file:
        assert follower.rows() == []
        file.write(HEADER[:9])
        assert follower.rows() == []
        file.write(HEADER[9:])
        assert follower.rows() == []
        file.write('0,1.5,-0.25,1,,0,3,,1.5,0.0\n1,2.5,,0,2.0,')
        file.flush()
        assert follower.rows() == [(1.5, {'td_error': -0.25, 'explored': 1.0, 'held': 0.0})]
        file.write('1,3,"late, and lost",2.5,0.0\n2,0.5,1.0,,,,3,,0.5,0.0\n')
        file.flush()
        assert follower.rows() == [(2.5, {'explored': 0.0, 'gap': 2.0, 'held': 1.0}), (0.5, {'td_error': 1.0})]
        assert follower.rows() == []
