# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The fate of a message is a function of the seed and of its stamp."""

import numpy as np
import pytest

from dmpcrl_ros.core.mailbox import Envelope, Mailbox
from dmpcrl_ros.testing.fault_plan import CORRUPTIONS, Copy, Death, FaultPlan, corrupt

EVERYTHING = {'loss': 0.2, 'delay_probability': 0.3, 'duplication': 0.1, 'reordering': 0.25, 'corruption': 0.15}
LETTERS = [
    (sender, receiver, step, number, kind)
    for sender, receiver in ((0, 1), (1, 0), (1, 2))
    for step in range(40)
    for number in range(10)
    for kind in ('copies', 'averages')
]


def fates(plan):
    return {letter: plan.copies(*letter) for letter in LETTERS}


def test_the_same_seed_decides_alike_in_any_order_and_another_seed_otherwise():
    plan = FaultPlan(seed=3, **EVERYTHING)
    expected = fates(plan)
    backwards = {letter: FaultPlan(seed=3, **EVERYTHING).copies(*letter) for letter in reversed(LETTERS)}
    assert expected == backwards
    other = fates(FaultPlan(seed=4, **EVERYTHING))
    assert sum(expected[letter] != other[letter] for letter in LETTERS) > len(LETTERS) / 4


def test_faults_are_as_frequent_as_was_asked():
    found = list(fates(FaultPlan(seed=3, **EVERYTHING)).values())
    arrived = [copies[0] for copies in found if copies]
    assert len(arrived) / len(found) == pytest.approx(0.8, abs=0.03)
    assert np.mean([len(copies) == 2 for copies in found if copies]) == pytest.approx(0.1, abs=0.03)
    assert np.mean([copy.delay > 0.0 for copy in arrived]) == pytest.approx(0.3, abs=0.03)
    assert np.mean([copy.reordered for copy in arrived]) == pytest.approx(0.25, abs=0.03)
    assert np.mean([bool(copy.corruption) for copy in arrived]) == pytest.approx(0.15, abs=0.03)
    assert {copy.corruption for copy in arrived} == {'', *CORRUPTIONS}


def test_a_plan_without_faults_delivers_everything_once_and_untouched():
    assert all(copies == [Copy(delay=0.0, reordered=False, corruption='')] for copies in fates(FaultPlan()).values())


def test_faults_of_one_kind_do_not_depend_on_the_probability_of_another():
    some, more = fates(FaultPlan(seed=3, loss=0.1)), fates(FaultPlan(seed=3, **EVERYTHING))
    lost, also = ({letter for letter, copies in found.items() if not copies} for found in (some, more))
    assert lost and lost < also


def test_a_part_of_the_steps_can_be_spared_as_a_whole():
    lost = {
        step for (_, _, step, _, _), copies in fates(FaultPlan(seed=3, loss=0.5, hit_steps=0.3)).items() if not copies
    }
    assert 5 < len(lost) < 20


def test_what_is_sent_again_is_decided_upon_again():
    plan = FaultPlan(seed=3, loss=0.5)
    assert len({len(plan.copies(0, 1, 2, 3, 'state', attempt)) for attempt in range(20)}) == 2


def test_a_dead_agent_is_neither_heard_nor_hears_until_it_returns():
    plan = FaultPlan(deaths=(Death(agent=1, step=3, round=5, returns=6),))
    for sender, receiver, step, number, silent in [
        (1, 0, 3, 4, False),
        (1, 0, 3, 5, True),
        (0, 1, 3, 5, True),
        (0, 2, 3, 5, False),
        (2, 1, 5, 0, True),
        (2, 1, 6, 0, False),
    ]:
        assert (not plan.copies(sender, receiver, step, number, 'copies')) == silent


def test_deaths_there_and_back_as_text():
    deaths = (Death(1, 3, 5, 6), Death(0, 7, 0, 9))
    assert Death.parse(', '.join(map(str, deaths))) == deaths and Death.parse('') == ()


@pytest.mark.parametrize('text', ['1:2:3', '1:2:3:4:5', 'one:2:3:4', '1;2;3;4'])
def test_a_death_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match=f"deaths must be agent:step:round:returns, ..., not '{text}'"):
        Death.parse(text)


@pytest.mark.parametrize('name', ['loss', 'delay_probability', 'duplication', 'reordering', 'corruption', 'hit_steps'])
@pytest.mark.parametrize('value', [-0.1, 1.1, float('nan'), True, 'much'])
def test_what_is_no_probability_is_refused_by_its_name(name, value):
    with pytest.raises(ValueError, match=f'{name} must be a probability, from 0 to 1'):
        FaultPlan(**{name: value})


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        ({'delay': -1.0}, 'delay must be'),
        ({'delay': float('inf')}, 'delay must be'),
        ({'delay_rounds': -1}, 'delay_rounds must be'),
        ({'seed': -1}, 'seed must be'),
        ({'deaths': (Death(0, 3, 0, returns=3),)}, 'agent 0 returns at step 3, but dies at step 3'),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        FaultPlan(**wrong)


@pytest.mark.parametrize('corruption', CORRUPTIONS)
@pytest.mark.parametrize('data', [np.ones((3, 2)), np.ones((1, 1)), np.zeros((0, 1))])
def test_every_corruption_is_noticed_by_the_receiver(corruption, data):
    envelope = Envelope(7, 2, 4, 1, 'copies', data)
    corrupted = corrupt(envelope, corruption)
    mailbox = Mailbox([1])
    mailbox.now = (7, 2, 4)
    mailbox.put(corrupted)
    assert mailbox.take('copies', {1: data.shape}) is None and mailbox.dropped.total() == 1
    assert envelope.data is data and np.isfinite(data).all()  # the original does not change
    mailbox.put(envelope)
    assert mailbox.take('copies', {1: data.shape})[1].tobytes() == data.tobytes()
