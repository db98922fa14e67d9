# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The summary of a run against hand calculations."""

import io

import numpy as np
import pytest
from rich.console import Console

from dmpcrl_ros.recording.run_directory import RunWriter
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.recording.summary import fault_lines, part_length, summarise, summary_table
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import Step


def step(number, costs=(1.0, 2.0), first_states=(0.5, 0.5), td_error=1.0, faults=('', '')):
    """A step of a chain of two: state bounds [0, 1] on x[0] and [-1, 1] on x[1] of both."""
    states = np.array([first_states[0], 0.0, first_states[1], 0.0])
    return Step(
        number,
        states,
        np.zeros(2),
        np.array(costs),
        {
            'td_error': td_error,
            'explored': 0.0,
            'coordination_change': np.nan,
            'certified': np.nan,
            'learning_held': 0.0,
        },
        1,
        faults,
    )


def run_of(path, steps):
    settings = Settings(chain__agents=2)
    with RunWriter(path, settings.make_system(), settings) as writer:
        for one in steps:
            writer.record(one)
    return load_run(path)


@pytest.fixture
def learned(tmp_path):
    return run_of(
        tmp_path / 'learned',
        [
            step(0, (4.0, 2.0), (-0.1, 0.5), td_error=-3.0),  # cost 6, one agent below zero
            step(1, (1.0, 1.0), (-0.1, 1.1), td_error=1.0),  # cost 2, both out: one step
            step(2, (0.5, 0.5), (0.0, 1.0), td_error=np.nan),  # cost 1, on the bounds: not out
            step(3, (0.5, 0.0), (0.5, 0.5), td_error=-0.5),  # cost 0.5
            step(4, (0.0, 0.1), (0.5, 1.01), td_error=np.nan),
        ],
    )  # cost 0.1, above one


@pytest.fixture
def untrained():
    return [step(k, (10.0, 2.0 * k), (-0.1, 0.5) if k % 2 else (0.5, 0.5)) for k in range(5)]


def test_the_first_and_the_last_part(learned):
    first, last = summarise(learned, part=2)
    assert (first.first, first.last, last.first, last.last) == (0, 1, 3, 4)
    assert first.cost == (6.0 + 2.0) / 2
    assert first.violated == 1.0
    assert first.metrics['td_error'] == (3.0 + 1.0) / 2
    assert last.cost == pytest.approx((0.5 + 0.1) / 2)
    assert last.violated == 0.5
    assert last.metrics['td_error'] == 0.5  # of the one step that has an error
    assert np.isnan([first.untrained_cost, first.untrained_violated, first.ratio]).all()


def test_a_state_on_its_bound_is_not_out(learned):
    first, _ = summarise(learned, part=3)
    assert first.violated == pytest.approx(2 / 3)


def test_the_untrained_controller_in_the_same_steps(learned, untrained):
    first, last = summarise(learned, untrained, part=2)
    assert first.untrained_cost == (10.0 + 12.0) / 2
    assert first.untrained_violated == 0.5
    assert first.ratio == pytest.approx(4.0 / 11.0)
    assert last.untrained_cost == (16.0 + 18.0) / 2
    assert last.ratio == pytest.approx(0.3 / 17.0)


def test_a_run_serves_as_baseline_as_transitions_do(learned, untrained, tmp_path):
    again = run_of(tmp_path / 'untrained', untrained)
    assert summarise(learned, again, part=2) == summarise(learned, untrained, part=2)


def test_parts_are_compared_by_the_number_of_the_step(untrained, tmp_path):
    """Steps 1 and 3 were lost: 2 and 4 are compared with the untrained 2 and 4, which cost 14 and 18."""
    run = run_of(tmp_path / 'run', [step(0), step(2), step(4)])
    assert summarise(run, untrained, part=2)[1].untrained_cost == 16.0


def test_a_baseline_that_diverged_is_compared_as_far_as_it_goes(learned, untrained):
    first, last = summarise(learned, untrained[:4], part=2)
    assert first.untrained_cost == 11.0
    assert np.isnan(last.untrained_cost) and np.isnan(last.ratio)
    assert all(np.isnan(part.untrained_cost) for part in summarise(learned, [], part=2))


@pytest.mark.parametrize(('steps', 'part'), [(0, 0), (30, 30), (60, 50), (500, 50), (1500, 150), (20000, 500)])
def test_a_part_is_a_tenth_but_fifty_to_five_hundred_steps(steps, part):
    assert part_length(steps) == part


def lines(table):
    """Lines as printed in a terminal of 80 columns, each run of blanks as one."""
    console = Console(width=80, file=io.StringIO())
    console.print(table)
    return [' '.join(line.split()) for line in console.file.getvalue().splitlines()]


def test_the_table_fits_a_terminal_and_shows_the_numbers(learned, untrained):
    shown = lines(summary_table(learned, untrained, part=2))
    assert '0 to 1 4 11 0.364 100.0 % 50.0 % 2' in shown
    assert '3 to 4 0.3 17 0.0176 50.0 % 50.0 % 0.5' in shown
    assert 'chain-mallick2024, 2 agents, seed 1' in shown


def test_the_table_without_a_baseline_has_no_empty_columns(learned):
    shown = lines(summary_table(learned, part=2))
    assert '0 to 1 4 100.0 % 2' in shown
    assert not any('untrained' in line for line in shown)


def test_large_runs_are_not_cut_at_eighty_columns(tmp_path):
    run = run_of(tmp_path / 'run', [step(k, (1.23e-5, 0.0), td_error=1.23e-5) for k in range(19000, 20000)])
    row = '19900 to 19999 1.23e-05 1.23e-05 1 0.0 % 0.0 % 1.23e-05'
    assert row in lines(summary_table(run, run))


def test_a_run_without_steps_has_an_empty_summary(tmp_path):
    run = run_of(tmp_path / 'run', [])
    assert summarise(run) == []
    assert summary_table(run, []).row_count == 0
    assert fault_lines(run) == ['void steps: 0 of 0']


def test_the_first_step_in_which_learning_was_held_is_named_with_its_reason(tmp_path):
    reason = 'learning is held: the mean stage cost of the last 50 steps is 8.4, more than 2 times 3'
    steps = [
        step(0),
        step(1, td_error=np.nan, faults=(reason, reason)),
        step(2, td_error=np.nan, faults=(reason, reason)),
    ]
    for one in steps[1:]:
        one.metrics['learning_held'] = 1.0
    assert (
        fault_lines(run_of(tmp_path / 'run', steps))[-1]
        == f'learning was held in 2 steps, the first of them 1: {reason}'
    )


def test_steps_that_were_not_certified_are_counted_with_their_largest_change(tmp_path):
    steps = [step(k) for k in range(4)]
    for one, certified, change in zip(steps, (1.0, 0.0, 0.0, np.nan), (1e-12, 0.31, 0.02, 5.0), strict=True):
        one.metrics.update(certified=certified, coordination_change=change)
    lines = fault_lines(run_of(tmp_path / 'run', steps))
    assert lines[1] == 'not certified: 2 of 4 steps, with changes of up to 0.31 at their end'


def test_faults_are_counted_by_their_reason(tmp_path):
    infeasible = ['ADMM iteration 3: infeasible', 'ADMM iteration 17: infeasible']
    run = run_of(
        tmp_path / 'run',
        [
            step(0, td_error=np.nan, faults=(infeasible[0], 'void: only 1 of 2 agents had a valid evaluation')),
            step(1, td_error=np.nan, faults=(infeasible[0], infeasible[1])),  # one step, one reason
            step(2, faults=('off by 1.5e-04', '')),
            step(3, faults=('off by 2e-12', '')),
            step(4, faults=('off by 7', '')),
            step(5, faults=('update refused', '')),
            step(6),
            step(7),
        ],
    )
    assert fault_lines(run) == [
        'void steps: 2 of 8 (25 %)',
        '  in 3 steps: off by N',
        '  in 2 steps: ADMM iteration N: infeasible',
        '  in 1 step: void: only N of N agents had a valid evaluation',
        '  and 1 other fault',
    ]
