# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A hundred thousand random and mutated messages: refused for a reason, counted, bounded, and no obstacle."""

import array

import numpy as np
import pytest

pytest.importorskip('rclpy')

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.core.agent import AgentSpec  # noqa: E402
from dmpcrl_ros.core.mailbox import Envelope, Mailbox  # noqa: E402
from dmpcrl_ros.core.parameters import ParameterLayout  # noqa: E402
from dmpcrl_ros.core.spaces import Box  # noqa: E402
from dmpcrl_ros.transport import conversions as convert  # noqa: E402

SENT = 100_000
NOW = (5 << 32 | 7, 20, 6)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, 5e-324])
LARGE = np.array([0, 1, 2, 3, 6, 2**16, 2**31, 2**32 - 1], dtype=np.uint64)
UNBOUNDED = [Box(np.full(size, -np.inf), np.full(size, np.inf)) for size in range(3)]
SPEC = AgentSpec(name='a', state=UNBOUNDED[2], action=UNBOUNDED[2], exogenous=UNBOUNDED[1], safe_action=np.zeros(2))
LAYOUT = ParameterLayout({'V0': (1,), 'A': (2, 2)})
REASONS = {'unknown sender', 'wrong size', 'not finite'}


class Attacker:
    """Draws messages, half of them close to the expected ones."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def one_of(self, *choices):
        return choices[int(self._random.integers(len(choices)))]

    def numbers(self, size=6):
        size = self.one_of(size, size, size, 0, 1, size + 1, int(self._random.integers(40)))
        values = self._random.standard_normal(size)
        if size and self._random.random() < 0.3:
            values[self._random.integers(size)] = self._random.choice(SPECIAL)
        return array.array('d', values.tobytes())

    def large(self, right):
        return right if self._random.random() < 0.6 else int(self._random.choice(LARGE))

    def stamp(self):
        run, step, number = NOW
        run = self.one_of(run, run, run, run - 1, run + 1, 0, 2**64 - 1)
        step = self.one_of(step, step, step - 1, step + 1, 0, 2**64 - 1, int(self._random.integers(2**60)))
        number = self.one_of(number, number, number - 1, number + 1, 0, 2**32 - 1, int(self._random.integers(2**32)))
        return {'run': run, 'step': step, 'round': number}

    def exchange(self):
        return msg.Exchange(
            **self.stamp(),
            sender=self.large(1),
            kind=self.one_of('copies', 'averages', '', 'x' * 300),
            rows=self.large(2),
            columns=self.large(3),
            data=self.numbers(),
        )

    def state(self):
        return msg.State(
            run=NOW[0],
            step=NOW[1],
            agent=self.large(1),
            state=self.numbers(2),
            exogenous=self.numbers(1),
            applied=self.numbers(2),
            stage_cost=float(self.one_of(0.0, 1.0, *SPECIAL)),
        )

    def action(self):
        return msg.Action(run=NOW[0], step=NOW[1], agent=self.large(1), action=self.numbers(2))

    def parameters(self):
        return msg.Parameters(
            names=self.one_of(['V0', 'A'], ['A', 'V0'], [], ['V0', 'A', '']),
            sizes=self.one_of([1, 4], [4, 1], [], [1, 2**32 - 1]),
            theta=self.numbers(5),
        )


def letter(stamp=NOW, sender=1, kind='copies', data=None):
    return Envelope(*stamp, sender, kind, np.ones((2, 3)) if data is None else data)


def kept(mailbox):
    return sum(len(letters) for waiting in mailbox._waiting.values() for letters in waiting.values())


@pytest.mark.parametrize('seed', [1, 2])
def test_a_flood_of_wrong_messages_is_counted_bounded_and_no_obstacle(seed):
    """As the driver does it: whatever comes is converted and put, and the agent looks whether its round is complete."""
    attacker, mailbox, refused, taken = Attacker(seed), Mailbox([1, 2]), 0, 0
    mailbox.now = NOW
    for number in range(SENT // 2):
        try:
            mailbox.put(convert.exchange_from_msg(attacker.exchange(), 1))
        except convert.MessageError as reason:
            assert str(reason) in REASONS
            refused += 1
        if number % 3 == 0:  # never complete: agent 2 has nothing to say
            assert mailbox.take('copies', {1: (2, 3), 2: (2, 3)}) is None
        if number % 1000 == 0:
            assert refused + kept(mailbox) + mailbox.dropped.total() == number + 1
            assert kept(mailbox) <= 4 * 256
    run, step, number = NOW
    for at in ((run, step, number + 2), (run, step + 2, 0)):  # rounds the attacker has not thought of
        mailbox.now = (*at[:2], at[2] - 1)
        mailbox.put(letter(at))
        mailbox.now = at
        assert mailbox.take('copies', {1: (2, 3)})[1].sum() == 6.0
        taken += 1
    assert taken == 2
    assert refused + kept(mailbox) + mailbox.dropped.total() + taken == SENT // 2 + 2
    assert set(mailbox.dropped) == {'late', 'duplicate', 'not finite', 'other kind', 'wrong size', 'too many'}


def test_the_right_message_comes_through_a_flood_in_its_own_round():
    attacker, mailbox = Attacker(3), Mailbox([1])
    mailbox.now = NOW
    for _ in range(2000):
        wrong = convert.exchange_to_msg(letter(data=np.frombuffer(attacker.numbers())[:, None]))
        mailbox.put(convert.exchange_from_msg(wrong, 1))
        assert mailbox.take('copies', {1: (2, 3)}) is None
    mailbox.put(letter())
    assert mailbox.take('copies', {1: (2, 3)})[1].sum() == 6.0


def test_messages_of_a_distant_future_do_not_keep_out_those_that_are_due_soon():
    mailbox = Mailbox([1])
    mailbox.now = NOW
    for number in range(1000):
        mailbox.put(letter((NOW[0] + 1, 5000 + number, 3)))
    assert kept(mailbox) == 256
    run, step, number = NOW
    for at in (NOW, (run, step, number + 1), (run, step + 1, 0)):
        mailbox.put(letter(at))
    for at in (NOW, (run, step, number + 1), (run, step + 1, 0)):
        mailbox.now = at
        assert mailbox.take('copies', {1: (2, 3)}) is not None
    assert mailbox.dropped == {'too many': 1000 + 3 - 256} and kept(mailbox) == 253


@pytest.mark.parametrize(
    ('draw', 'read', 'sizes'),
    [
        (
            'state',
            lambda message: np.concatenate(
                [(read := convert.observation_from_msg(message, 1, SPEC)).state, read.exogenous, read.applied]
            ),
            (5,),
        ),
        ('action', lambda message: convert.action_from_msg(message, 1, SPEC), (2,)),
        ('parameters', lambda message: convert.parameters_from_msg(message, LAYOUT), (5,)),
    ],
)
def test_what_is_read_is_finite_and_of_the_right_size_or_refused_with_a_reason(draw, read, sizes):
    attacker, good, reasons = Attacker(4), 0, set()
    for _ in range(SENT // 20):
        try:
            values = read(getattr(attacker, draw)())
        except convert.MessageError as reason:
            reasons.add(str(reason))
        else:
            good += 1
            assert values.shape == sizes and values.dtype == np.float64 and np.isfinite(values).all()
    assert good > 50 and {'wrong size', 'not finite'} <= reasons <= REASONS


@pytest.mark.parametrize(
    ('rows', 'columns', 'count'),
    [
        (2**32 - 1, 2**32 - 1, 1),
        (2**16, 2**16, 0),
        (2**31, 2, 0),
        (0, 2**32 - 1, 0),
        (2**32 - 1, 0, 0),
        (0, 0, 0),
        (0, 0, 3),
    ],
)
def test_products_of_rows_and_columns_do_not_overflow(rows, columns, count):
    message = msg.Exchange(sender=1, kind='copies', rows=rows, columns=columns, data=array.array('d', [1.0] * count))
    if rows * columns == count:
        mailbox = Mailbox([1])
        mailbox.put(convert.exchange_from_msg(message, 1))
        assert mailbox.take('copies', {1: (2, 3)}) is None and mailbox.dropped == {'wrong size': 1}
    else:
        with pytest.raises(convert.MessageError, match='wrong size'):
            convert.exchange_from_msg(message, 1)
