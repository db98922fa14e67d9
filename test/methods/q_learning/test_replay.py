# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Experience replay: all agents draw the same transitions."""

import numpy as np
import pytest

from dmpcrl_ros.methods.learner import Transition
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer


def filled(count, *, capacity=20, sample_size=6, latest=2, seed=3):
    buffer = ReplayBuffer(capacity=capacity, sample_size=sample_size, latest=latest, seed=seed)
    for step in range(1, count + 1):
        buffer.add(Transition(step, 0.0, np.zeros(1)))
    return buffer


def drawn(buffer, counter, step=None):
    """Steps of the transitions drawn in the newest step, or in `step`; None for those that are not there."""
    step = max((transition.step for transition in buffer.items()), default=0) if step is None else step
    return [transition.step if transition else None for transition in buffer.sample(counter, step)]


def test_agents_with_the_same_transitions_draw_the_same_ones():
    asked_often, asked_once = filled(30), filled(30)
    for counter in range(50):
        drawn(asked_often, counter)
    assert drawn(asked_often, 7) == drawn(asked_once, 7)


def test_another_counter_or_seed_draws_others():
    first = drawn(filled(20), 0)
    assert any(drawn(filled(20), counter) != first for counter in range(1, 4))
    assert any(drawn(filled(20, seed=seed), 0) != first for seed in range(4, 7))


def test_the_newest_are_always_drawn_and_none_twice():
    buffer = filled(20)
    for counter in range(200):
        sample = drawn(buffer, counter)
        assert len(sample) == len(set(sample)) == 6
        assert {19, 20} <= set(sample)


def test_the_older_ones_are_drawn_uniformly():
    """4 of 18 in each of 4500 draws: 1000 of each expected, with a standard deviation of 28."""
    buffer, counts = filled(20), np.zeros(21)
    for counter in range(4500):
        counts[drawn(buffer, counter)] += 1
    assert counts[19:].tolist() == [4500, 4500]
    assert np.abs(counts[1:19] - 1000).max() < 5 * 28


def test_while_there_are_too_few_all_are_drawn():
    for count in (0, 1, 6):
        assert drawn(filled(count), 1) == list(range(1, count + 1))


def test_the_oldest_make_room():
    buffer = filled(25)
    assert len(buffer) == 20
    assert min(number for counter in range(100) for number in drawn(buffer, counter)) == 6


def test_an_agent_that_lacks_transitions_draws_the_same_steps():
    """As after its restart; and one that all lack, because it was void, is missing at all of them."""
    whole, restarted = filled(30), ReplayBuffer(capacity=20, sample_size=6, latest=2, seed=3)
    for step in (28, 30):
        restarted.add(Transition(step, 0.0, np.zeros(1)))
    for counter in range(50):
        expected = drawn(whole, counter)
        assert drawn(restarted, counter) == [step if step in (28, 30) else None for step in expected]


def test_what_is_too_old_is_not_drawn_when_the_newest_steps_were_void():
    """At step 40 the newest 20 steps are 21 to 40, of which 21 to 30 are there."""
    found = drawn(filled(30), 5, step=40)
    assert len(found) == 6 and found[-2:] == [None, None]
    assert all(step is None or 21 <= step <= 30 for step in found)


def test_nothing_is_left_after_clearing():
    buffer = filled(10)
    buffer.clear()
    assert len(buffer) == 0 and buffer.sample(1, 0) == []


@pytest.mark.parametrize('numbers', [{'latest': 7}, {'sample_size': 21, 'latest': 2}])
def test_numbers_that_cannot_be_are_refused(numbers):
    with pytest.raises(ValueError, match='latest <= sample <= capacity'):
        filled(0, **numbers)
