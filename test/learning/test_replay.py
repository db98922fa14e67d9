"""Experience replay: all agents draw the same transitions."""
import numpy as np
import pytest

from dmpcrl_ros.learning.replay import ReplayBuffer, Transition


def filled(count, *, capacity=20, sample_size=6, latest=2, seed=3):
    buffer = ReplayBuffer(capacity=capacity, sample_size=sample_size, latest=latest, seed=seed)
    for k in range(count):
        buffer.add(Transition(float(k), np.zeros(1)))
    return buffer


def drawn(buffer, counter):
    return [int(transition.td_error) for transition in buffer.sample(counter)]


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
        assert {18, 19} <= set(sample)


def test_the_older_ones_are_drawn_uniformly():
    """4 of 18 in each of 4500 draws: 1000 of each expected, with a standard deviation of 28."""
    buffer, counts = filled(20), np.zeros(20)
    for counter in range(4500):
        counts[drawn(buffer, counter)] += 1
    assert counts[18:].tolist() == [4500, 4500]
    assert np.abs(counts[:18] - 1000).max() < 5 * 28


def test_while_there_are_too_few_all_are_drawn():
    for count in (0, 1, 6):
        assert drawn(filled(count), 1) == list(range(count))


def test_the_oldest_make_room():
    buffer = filled(25)
    assert len(buffer) == 20
    assert min(number for counter in range(100) for number in drawn(buffer, counter)) == 5


def test_nothing_is_left_after_clearing():
    buffer = filled(10)
    buffer.clear()
    assert len(buffer) == 0 and buffer.sample(1) == []


@pytest.mark.parametrize('numbers', [{'latest': 7}, {'sample_size': 21, 'latest': 2}])
def test_numbers_that_cannot_be_are_refused(numbers):
    with pytest.raises(ValueError, match='latest <= sample <= capacity'):
        filled(0, **numbers)
