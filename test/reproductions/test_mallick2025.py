# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Jobs, tables and figures of paper 000."""

import csv
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from ros_system import PATIENCE, dmpcrl, start_dmpcrl, wait_for

from dmpcrl_ros.experiments.learning_curves import LearningCurves, learning_curves
from dmpcrl_ros.reproductions.mallick2025 import VARIANTS, final_table, jobs, learning_table


def test_every_variant_sees_the_same_noise_and_only_its_learner_differs():
    found = {job.name: job for job in jobs(['C-SO', 'D-SO', 'D-FO'], [1, 2], 50)}
    assert list(found) == ['D-SO-seed-1', 'D-SO-seed-2', 'D-FO-seed-1', 'D-FO-seed-2', 'C-SO-seed-1', 'C-SO-seed-2']
    assert found['D-SO-seed-2'].settings == found['C-SO-seed-2'].settings
    assert [job.central for job in found.values()] == [False] * 4 + [True] * 2
    for job in found.values():
        assert (job.settings.of_system.variant, job.settings.steps, job.settings.seed) == (
            'mallick2025',
            50,
            int(job.name[-1]),
        )


def test_variants_are_the_settings_that_they_are_named_after():
    made = {job.name.removesuffix('-seed-1'): job.settings.of_method for job in jobs(list(VARIANTS), [1], 50)}
    assert {name: each.learning.order for name, each in made.items()} == {
        'D-SO': 'second',
        'C-SO': 'second',
        'D-FO': 'first',
        'C-FO': 'first',
        'D-SO-published': 'second',
        'D-SO-released': 'second-as-released',
        'D-SO-residual-stop': 'second',
        'D-SO-cold-start': 'second',
    }
    bare = {
        name
        for name, each in made.items()
        if (each.learning.curvature, each.learning.step_limit, each.learning.bound_parameters) == ('keep', None, False)
    }
    assert bare == {'D-SO-published', 'D-SO-released'}
    assert [name for name, each in made.items() if each.admm.tolerance == 1e-3] == ['D-SO-residual-stop']
    assert [name for name, each in made.items() if not each.admm.warm_start] == ['D-SO-cold-start']


def curves(costs, td_errors):
    return LearningCurves(costs=np.array(costs), td_errors=np.array(td_errors), violated=np.array(costs) > 2.5)


def test_the_tables_by_hand():
    """Two seeds of 500 steps with cost 1 and 3 throughout, but 7 in the last step of the first: moving averages at step
    500 are 1 + 6/100 and 3. Means over all steps: (1 * 499 + 7 + 3 * 500) / 1000 = 2.006; out of bounds are 501."""
    costs = np.array([np.ones(500), np.full(500, 3.0)])
    costs[0, -1] = 7.0
    (row,) = learning_table({'D-SO': curves(costs, 0.1 * costs)})
    assert list(row) == ['variant', 'cost 100', 'cost 500', '|TD| 100', '|TD| 500'] and row['variant'] == 'D-SO'
    assert row['cost 100'] == pytest.approx(2.0) and row['cost 500'] == pytest.approx(0.5 * (1.06 + 3.0))
    assert row['|TD| 500'] == pytest.approx(0.05 * (1.06 + 3.0))
    (row,) = final_table({'D-SO': curves(costs, 0.1 * costs)})
    assert row['mean cost'] == pytest.approx(2.006) and row['out of bounds'] == pytest.approx(0.501)
    assert row['median cost'] == pytest.approx(3.0) and row['published cost'] == 0.072
    assert row['median |TD|'] == pytest.approx(0.3) and row['published |TD|'] == 0.052


def test_a_run_that_was_lost_counts_as_infinitely_bad():
    def run(length):
        return SimpleNamespace(
            costs=np.ones((length, 3)),
            metrics={'td_error': -np.ones(length)},
            states=np.zeros((length, 2)),
            state_bounds=(np.full(2, -1.0), np.full(2, 1.0)),
        )

    found = LearningCurves.of([run(10), run(4)], 10)
    assert found.costs[0].tolist() == [3.0] * 10 and found.costs[1].tolist() == [3.0] * 4 + [np.inf] * 6
    assert not found.violated[0].any() and found.violated[1].sum() == 6
    assert found.td_errors[0].tolist() == [1.0] * 10


def test_a_lost_run_stays_lost_in_curves_and_tables():
    """Not only for the window of the moving average: the methods that lose plants would look well afterwards."""
    costs = np.ones((3, 300))
    costs[0, 50:] = np.inf
    found = curves(costs, costs)
    smooth = found.smooth('costs')
    assert np.isinf(smooth[0, 50:]).all() and (smooth[0, :50] == 1.0).all() and (smooth[1:] == 1.0).all()
    assert learning_table({'x': found})[0]['cost 100'] == 1.0  # the median of three
    costs[1, 50:] = np.inf
    assert learning_table({'x': curves(costs, costs)})[0]['cost 100'] == np.inf
    learning_curves({'x': curves(costs, costs)})  # warnings would be errors


def test_figures_show_every_variant_and_only_numbers_that_were_seen():
    draw = np.random.default_rng(1)
    found = {
        name: curves(draw.uniform(1.0, 2.0, (3, 300)), draw.uniform(0.1, 0.2, (3, 300))) for name in ('D-SO', 'D-FO')
    }
    panels = learning_curves(found).axes
    for panel, key in zip(panels, ('td_errors', 'costs'), strict=True):
        assert [line.get_label() for line in panel.lines] == ['D-SO', 'D-FO']
        for line, each in zip(panel.lines, found.values(), strict=True):
            assert line.get_ydata() == pytest.approx(np.median(each.smooth(key), axis=0))


def test_the_command_can_be_interrupted_and_goes_on_where_it_was(tmp_path, domain):
    """No process remains; complete runs are kept; the second call makes the rest, tables and figures."""
    output = tmp_path / 'out'
    arguments = [
        'reproduce',
        'mallick2025',
        '--seeds',
        4,
        '--steps',
        400,
        '--variant',
        'C-SO',
        '--jobs',
        1,
        '--output',
        output,
    ]
    process = start_dmpcrl(*arguments)
    wait_for(lambda: (output / 'C-SO-seed-1').exists(), PATIENCE, 'the first run')
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0 and 'Traceback' not in said, said
    kept = (output / 'C-SO-seed-1' / 'steps.csv').stat().st_mtime_ns

    done = dmpcrl(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'complete already' in done.stdout
    assert (output / 'C-SO-seed-1' / 'steps.csv').stat().st_mtime_ns == kept
    assert {path.name for path in output.glob('*.png')} == {'learning_curves.png', 'states_and_inputs.png'}
    (row,) = csv.DictReader((output / 'learning.csv').read_text().splitlines())
    assert row['variant'] == 'C-SO' and 5.0 < float(row['cost 100']) < 25.0

    other = dmpcrl(*(390 if argument == 400 else argument for argument in arguments))
    assert other.returncode != 0 and 'steps = 400, not 390' in other.stderr and 'Traceback' not in other.stderr
