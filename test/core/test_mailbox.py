# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The mailbox keeps messages until they are due, and counts those that do not fit."""

import numpy as np
import pytest

from dmpcrl_ros.core.mailbox import Envelope, Mailbox

SHAPE = {1: (2, 3)}


def letter(**changes):
    fields = {'run': 7, 'step': 2, 'round': 4, 'sender': 1, 'kind': 'copies', 'data': np.ones((2, 3))}
    return Envelope(**(fields | changes))


@pytest.fixture
def mailbox():
    box = Mailbox([1, 3])
    box.now = (7, 2, 4)
    return box


def test_a_round_is_complete_when_all_expected_have_written(mailbox):
    expects = {1: (2, 3), 3: (2, 3)}
    mailbox.put(letter())
    assert mailbox.take('copies', expects) is None
    assert mailbox.missing(expects) == [3]
    mailbox.put(letter(sender=3, data=2 * np.ones((2, 3))))
    inbox = mailbox.take('copies', expects)
    assert inbox[1].sum() == 6 and inbox[3].sum() == 12
    assert not mailbox.dropped


def test_a_vector_travels_as_a_column(mailbox):
    mailbox.put(letter(kind='consensus', data=np.array([[1.0], [2.0]])))
    assert mailbox.take('consensus', {1: (2,)})[1].tolist() == [1.0, 2.0]


@pytest.mark.parametrize('ahead', [{'round': 5}, {'step': 3, 'round': 0}, {'run': 8, 'step': 0, 'round': 0}])
def test_what_comes_early_is_kept_until_it_is_due(mailbox, ahead):
    mailbox.put(letter(**ahead))
    assert mailbox.take('copies', SHAPE) is None
    early = letter(**ahead)
    mailbox.now = (early.run, early.step, early.round)
    assert mailbox.take('copies', SHAPE) is not None
    assert not mailbox.dropped


@pytest.mark.parametrize(
    ('wrong', 'reason'),
    [
        ({'sender': 2}, 'unknown sender'),
        ({'round': 3}, 'late'),
        ({'step': 1, 'round': 9}, 'late'),
        ({'run': 6}, 'late'),
        ({'data': np.full((2, 3), np.nan)}, 'not finite'),
        ({'data': np.full((2, 3), np.inf)}, 'not finite'),
    ],
)
def test_what_does_not_fit_is_dropped_and_counted(mailbox, wrong, reason):
    mailbox.put(letter(**wrong))
    assert mailbox.take('copies', SHAPE) is None
    assert mailbox.dropped == {reason: 1}


@pytest.mark.parametrize(
    ('wrong', 'reason'),
    [
        ({'data': np.ones((3, 2))}, 'wrong size'),
        ({'data': np.ones((2, 4))}, 'wrong size'),
        ({'kind': 'averages'}, 'other kind'),
    ],
)
def test_a_wrong_message_for_the_round_gives_way_to_the_right_one(mailbox, wrong, reason):
    mailbox.put(letter(**wrong))
    assert mailbox.take('copies', SHAPE) is None
    mailbox.put(letter())
    assert mailbox.take('copies', SHAPE)[1].shape == (2, 3)
    assert mailbox.dropped == {reason: 1}


def test_a_wrong_message_does_not_take_the_place_of_the_right_one(mailbox):
    mailbox.put(letter(data=np.ones((5, 5))))
    mailbox.put(letter(kind='averages'))
    mailbox.put(letter(data=3 * np.ones((2, 3))))
    assert mailbox.take('copies', SHAPE)[1].sum() == 18
    assert mailbox.dropped == {'wrong size': 1, 'other kind': 1}


def test_a_duplicate_changes_nothing(mailbox):
    mailbox.put(letter())
    mailbox.put(letter(data=5 * np.ones((2, 3))))
    assert mailbox.take('copies', SHAPE)[1].sum() == 6
    assert mailbox.dropped == {'duplicate': 1}


def test_a_flood_is_bounded(mailbox):
    for number in range(1000):
        mailbox.put(letter(round=5 + number))
    assert mailbox.dropped['too many'] == 1000 - 256


def test_what_is_due_soon_finds_room_in_a_full_mailbox(mailbox):
    for number in range(300):
        mailbox.put(letter(step=1000, round=number))
    mailbox.put(letter())
    assert mailbox.take('copies', SHAPE) is not None
    assert mailbox.dropped == {'too many': 300 + 1 - 256}


def test_advancing_drops_what_was_never_used(mailbox):
    mailbox.put(letter())
    mailbox.now = (7, 3, 0)
    assert mailbox.dropped == {'late': 1}
