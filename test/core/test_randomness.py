# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One seed, a stream for each purpose and key; draws that are functions of their key."""

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from dmpcrl_ros.core.randomness import KeyedDraws, stream

LARGEST = 2**64 - 1
SIGNIFICANT = 1e-4  # seeds are fixed: either these tests pass or they do not


def first(seed=1, purpose='noise', *key):
    return stream(seed, purpose, *key).random(4).tolist()


def test_a_stream_is_decided_by_seed_purpose_and_key():
    assert first(1, 'noise', 3, 4) == first(1, 'noise', 3, 4)
    others = [
        first(2, 'noise', 3, 4),
        first(1, 'replay', 3, 4),
        first(1, 'noise', 4, 3),
        first(1, 'noise', 3),
        first(1, 'noise', 3, 4, 0),
        first(1, 'a purpose of somebody else', 3, 4),
        first(1, 'noise'),
    ]
    numbers = {number for draws in [first(1, 'noise', 3, 4), *others] for number in draws}
    assert len(numbers) == 4 * (1 + len(others))


def test_the_streams_of_published_runs_stay():
    """Recomputed from numpy alone: purposes are numbered in the order in which they were introduced."""
    for number, purpose in enumerate(
        ('noise', 'exploration coin', 'exploration direction', 'replay', 'model', 'scenarios', 'faults')
    ):
        expected = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(number, 7))).random(3)
        assert np.array_equal(stream(5, purpose, 7).random(3), expected)


def test_streams_of_neighbouring_keys_are_independent():
    draws = np.array([stream(1, 'noise', key).random(2000) for key in range(6)])
    assert np.abs(np.corrcoef(draws) - np.eye(6)).max() < 5 / np.sqrt(2000)


def test_a_key_gives_the_same_draws_whatever_was_drawn_in_between():
    draws, fresh = KeyedDraws(3, 'actions'), KeyedDraws(3, 'actions')
    expected = fresh.at(5, 17).standard_normal(7)
    generator = draws.at(1, 2, 3)
    generator.random(3, dtype=np.float32)  # leaves half of a number over
    generator.integers(0, 10, 5, dtype=np.uint8)
    generator.standard_normal(11)
    assert np.array_equal(draws.at(5, 17).standard_normal(7), expected)
    assert np.array_equal(draws.at(5, 17).standard_normal(7), expected)
    draws.at(5, 17).random(dtype=np.float32)
    assert draws.at(5, 17).random(dtype=np.float32) == fresh.at(5, 17).random(dtype=np.float32)


def test_keys_are_told_apart_in_every_place_and_by_seed_and_purpose():
    draws = KeyedDraws(3, 'actions')
    keys = [
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 0),
        (1, 1, 0),
        (2**32, 0, 0),
        (0, 2**32, 0),
        (LARGEST, 0, 0),
        (0, LARGEST, 0),
        (0, 0, LARGEST),
        (LARGEST, LARGEST, LARGEST),
    ]
    found = [draws.at(*key).random(50) for key in keys]
    found += [KeyedDraws(4, 'actions').at(0, 0, 1).random(50), KeyedDraws(3, 'samples').at(0, 0, 1).random(50)]
    assert len(np.unique(found)) == 50 * len(found)


def test_a_short_key_is_filled_up_with_zeros():
    draws = KeyedDraws(3, 'actions')
    assert draws.at(7).random() == draws.at(7, 0, 0).random() and draws.at().random() == draws.at(0).random()


def test_draws_of_one_key_and_first_draws_of_many_are_uniform():
    draws = KeyedDraws(1, 'actions')
    of_many = np.array([[draws.at(agent, step).random() for step in range(150)] for agent in range(150)])
    assert kstest(draws.at(1, 2).random(20000), 'uniform').pvalue > SIGNIFICANT
    assert kstest(of_many.ravel(), 'uniform').pvalue > SIGNIFICANT
    for pairs in (
        zip(of_many[:, :-1].ravel(), of_many[:, 1:].ravel(), strict=True),  # of neighbouring steps
        zip(of_many[:-1].ravel(), of_many[1:].ravel(), strict=True),
    ):  # of neighbouring agents
        counts, *_ = np.histogram2d(*np.transpose(list(pairs)), bins=8, range=[[0, 1], [0, 1]])
        assert chisquare(counts.ravel()).pvalue > SIGNIFICANT


def test_the_statistics_notice_what_is_not_uniform():
    """Proof that the test above can fail."""
    draws = KeyedDraws(1, 'actions').at(1, 2).random(20000)
    assert kstest(0.97 * draws, 'uniform').pvalue < SIGNIFICANT
    counts, *_ = np.histogram2d(draws[:-1], 0.9 * draws[1:] + 0.1 * draws[:-1], bins=8, range=[[0, 1], [0, 1]])
    assert chisquare(counts.ravel()).pvalue < SIGNIFICANT


@pytest.mark.parametrize('key', [(1, 2, 3, 4), (-1,), (0, 2**64)])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(ValueError, match='up to three whole numbers'):
        KeyedDraws(1, 'actions').at(*key)
