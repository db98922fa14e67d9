# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Jobs, tables and figures of paper 001."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from dmpcrl_ros.cli.commands import main
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.experiments.evaluation import Scores
from dmpcrl_ros.reproductions import mallick2024_chain, mallick2024_grid
from dmpcrl_ros.settings.run import Settings


def test_agents_and_twin_are_trained_on_the_same_noise():
    distributed, centralised, second_order, robust = mallick2024_chain.training(seed=4, steps=30)
    assert robust.settings == Settings(seed=4, steps=30)
    assert second_order.settings.of_method.learning.order == 'second' and not second_order.central
    assert distributed.settings == centralised.settings and distributed.settings.of_method.learning.order == 'first'
    assert (distributed.central, centralised.central) == (False, True)


def test_the_policy_is_compared_before_in_the_midst_of_and_after_training(tmp_path):
    found = {each.name: each for each in mallick2024_chain.candidates(tmp_path, 10000)}
    assert list(found)[:3] == ['learned-0', 'learned-500', 'learned-10000']
    assert [found[name].policy.updates for name in list(found)[:3]] == [0, 500, 10000]
    assert set(found) == {*mallick2024_chain.PUBLISHED, 'second-order', 'robust'}
    assert [name for name in mallick2024_chain.candidates(tmp_path, 500)[1].name.split('-')] == ['learned', '500']


def test_published_numbers_stand_beside_ours():
    one, other = mallick2024_chain.with_published([{'controller': 'nominal', 'mean cost': 1.0}, {'controller': 'mine'}])
    assert (one['published cost'], one['published out'], one['mean cost']) == (360.2, 73.0, 1.0)
    assert np.isnan(other['published cost'])


def test_costs_are_drawn_with_their_intervals_and_lost_plants_left_out():
    scores = {
        'learned-0': Scores(costs=np.array([1.0, 3.0]), violated=np.zeros(2), steps=100),
        'wild': Scores(costs=np.array([1.0, np.inf]), violated=np.zeros(2), steps=100),
    }
    (panel,) = mallick2024_chain.costs_of_all(scores).axes
    assert [bar.get_height() for bar in panel.patches] == [2.0]
    assert [label.get_text() for label in panel.get_xticklabels()] == ['learned-0']
    interval = panel.lines[0].get_ydata()
    assert tuple(interval) == (1.0, 3.0)


def test_parameters_of_both_are_drawn_over_the_updates():
    def run(scale):
        history = SimpleNamespace(updates=np.arange(3), theta=scale * np.arange(9.0).reshape(3, 3))
        return SimpleNamespace(
            parameters={'a': history}, agents=('a',), layout=lambda agent: ParameterLayout({'V0': (1,), 'b': (2,)})
        )

    figure = mallick2024_chain.parameters_of_both({'distributed': run(1.0), 'centralised': run(2.0)}, 'a')
    shown = {panel.get_title(loc='left'): panel for panel in figure.axes if panel.get_visible()}
    assert [list(line.get_ydata()) for line in shown['V0'].lines] == [[0.0, 3.0, 6.0], [0.0, 6.0, 12.0]]
    assert len(shown['b'].lines) == 4


def test_baselines_are_other_methods_with_the_same_common_settings(tmp_path):
    common = Settings(steps=100, seed=3)
    made = {each.name: each.job(common, 5) for each in mallick2024_chain.candidates(tmp_path, 500)}
    settings = {name: job.settings for name, job in made.items()}
    assert {name: each.method for name, each in settings.items() if not name.startswith('learned')} == {
        'second-order': 'q_learning',
        'robust': 'q_learning',
        'nominal': 'nominal_mpc',
        'nominal-exact': 'nominal_mpc',
        'scenario': 'scenario_mpc',
        'scenario-exact': 'scenario_mpc',
    }
    assert [settings[name].of_method.model for name in ('nominal', 'nominal-exact', 'scenario', 'scenario-exact')] == [
        'inexact',
        'exact',
    ] * 2
    assert all((each.steps, each.seed, each.learn) == (100, 5, False) for each in settings.values())
    assert [name for name, job in made.items() if job.central] == ['scenario', 'scenario-exact']


@pytest.mark.timeout(240)
def test_the_command_makes_eight_figures_and_two_tables(tmp_path):
    done = CliRunner().invoke(
        main,
        [
            'reproduce',
            'mallick2024',
            '--steps',
            '100',
            '--episodes',
            '2',
            '--jobs',
            '2',
            '--evaluations',
            '1',
            '--output',
            str(tmp_path),
        ],
    )
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob('figure_*.png'))) == 8
    rows = {row['controller']: row for row in csv.DictReader((tmp_path / 'grid-scores.csv').read_text().splitlines())}
    assert set(rows) == {'learned', *mallick2024_grid.PUBLISHED, 'untrained'}
    assert float(rows['scenario']['mean cost']) < float(rows['untrained']['mean cost'])
    rows = {row['controller']: row for row in csv.DictReader((tmp_path / 'scores.csv').read_text().splitlines())}
    # The untrained policy is nominal MPC but for the first upper bound, which is not reached.
    assert float(rows['learned-0']['mean cost']) == pytest.approx(float(rows['nominal']['mean cost']), rel=1e-3)
    assert float(rows['scenario']['mean cost']) < 0.1 * float(rows['nominal']['mean cost'])


def test_return_and_td_error_of_each_episode_of_the_grid_are_drawn():
    """Two whole episodes of 100 steps and half of a third: costs 1 and 3 per step and area, of four areas."""
    costs = np.repeat([1.0, 3.0, 9.0], [100, 100, 50])[:, None] * np.ones(4)
    run = SimpleNamespace(
        steps=np.arange(250), costs=costs, metrics={'td_error': np.r_[np.nan, -np.ones(99), np.full(150, 2.0)]}
    )
    errors, returns = mallick2024_grid.learning(run).axes
    assert list(returns.lines[0].get_ydata()) == [400.0, 1200.0]
    assert list(errors.lines[0].get_ydata()) == [1.0, 2.0]
