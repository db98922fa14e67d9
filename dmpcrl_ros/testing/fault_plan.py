# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Loss, delay, duplication, reordering and corruption of messages from a seed, so that any failure can be replayed.

The faults of a message are a function of the seed and of its stamp (sender, receiver, step, round, kind), not of time
or of the order of arrival. The same seed gives the same faults in one process, over ROS 2 and in any repetition.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from dmpcrl_ros.core.mailbox import Envelope
from dmpcrl_ros.core.randomness import stream

CORRUPTIONS = ('NaN', 'infinity', 'size', 'kind', 'sender', 'run')
_FAULTS = ('loss', 'delay_probability', 'duplication', 'reordering', 'corruption')


@dataclass(frozen=True)
class Death:
    """Silence of an agent: from this round of this step until step `returns` it neither sends nor receives.

    It keeps its learned parameters, like an agent whose network failed.
    """

    agent: int
    step: int
    round: int
    returns: int

    @staticmethod
    def parse(text: str) -> 'tuple[Death, ...]':
        """Deaths from 'agent:step:round:returns, ...'.

        Raises:
            ValueError: the text is not of this form.
        """
        try:
            return tuple(Death(*map(int, each.split(':', 3))) for each in text.split(',') if each.strip())
        except (TypeError, ValueError):
            raise ValueError(f'deaths must be agent:step:round:returns, ..., not {text!r}') from None

    def __str__(self) -> str:
        return f'{self.agent}:{self.step}:{self.round}:{self.returns}'


@dataclass(frozen=True)
class Copy:
    """Arrival of one copy of a message.

    Args:
        delay: fraction of the longest delay of the plan, from 0 (no delay) to 1.
        reordered: whether it is held back until later messages have passed.
        corruption: one of CORRUPTIONS, or empty.
    """

    delay: float = 0.0
    reordered: bool = False
    corruption: str = ''


@dataclass(frozen=True, kw_only=True)
class FaultPlan:
    """Faults by their probabilities, each from 0 to 1 and independent of the others.

    Args:
        seed: of all faults.
        loss: probability that a message never arrives.
        delay_probability: probability that a copy is delayed, by a uniform fraction of the longest delay.
        delay: longest delay in real time [s].
        delay_rounds: longest delay in virtual time, in latencies.
        duplication: probability that a message arrives twice.
        reordering: probability that a copy is held back until later messages have passed.
        corruption: probability that a copy is corrupted in one of the ways of CORRUPTIONS, all of which receivers
            detect. Another finite number or the stamp of a later round could be detected only by a checksum, which the
            protocol leaves to the transport.
        hit_steps: probability that faults other than deaths may occur in a control step.
        deaths: agents that become silent.

    Raises:
        ValueError: a value is out of its range; the message names it.
    """

    seed: int = 1
    loss: float = 0.0
    delay_probability: float = 0.0
    delay: float = 0.05
    delay_rounds: int = 2
    duplication: float = 0.0
    reordering: float = 0.0
    corruption: float = 0.0
    hit_steps: float = 1.0
    deaths: tuple[Death, ...] = ()

    def __post_init__(self) -> None:
        for name in (*_FAULTS, 'hit_steps'):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= 1.0:
                raise ValueError(f'{name} must be a probability, from 0 to 1, not {value!r}')
        for name in ('seed', 'delay', 'delay_rounds'):
            if not 0.0 <= getattr(self, name) < np.inf:
                raise ValueError(f'{name} must be finite and not negative, not {getattr(self, name)!r}')
        for death in self.deaths:
            if death.returns <= death.step:
                raise ValueError(f'agent {death.agent} returns at step {death.returns}, but dies at step {death.step}')

    def copies(self, sender: int, receiver: int, step: int, round: int, kind: str, attempt: int = 0) -> list[Copy]:
        """Copies of a message that arrive; empty when it is lost.

        Args:
            sender: index of an agent; the plant's is one above the last agent's.
            receiver: index, likewise.
            step: of the stamp of the message.
            round: of the stamp of the message.
            kind: of the message.
            attempt: number of earlier messages with the same stamp.
        """
        if self.silent(sender, step, round) or self.silent(receiver, step, round):
            return []
        if not any(getattr(self, name) for name in _FAULTS):
            return [Copy()]
        if self.hit_steps < 1.0 and stream(self.seed, 'faults', step).random() >= self.hit_steps:
            return [Copy()]
        drawn = stream(self.seed, 'faults', step, round, sender, receiver, zlib.crc32(kind.encode()), attempt)
        lost, duplicated, *rest = drawn.random(12)
        if lost < self.loss:
            return []
        return [self._copy(*rest[5 * k : 5 * k + 5]) for k in range(1 + (duplicated < self.duplication))]

    def silent(self, agent: int, step: int, round: int) -> bool:
        """Whether an agent is silent in this round."""
        return any(
            death.agent == agent and (death.step, death.round) <= (step, round) and step < death.returns
            for death in self.deaths
        )

    def _copy(self, delayed: float, by: float, reordered: float, corrupted: float, how: float) -> Copy:
        return Copy(
            delay=1.0 - by if delayed < self.delay_probability else 0.0,
            reordered=reordered < self.reordering,
            corruption=CORRUPTIONS[int(how * len(CORRUPTIONS))] if corrupted < self.corruption else '',
        )


def corrupt(envelope: Envelope, corruption: str) -> Envelope:
    """Envelope with one of CORRUPTIONS, or unchanged for none. Empty data change their size."""
    data = envelope.data
    if corruption == 'kind':
        return replace(envelope, kind=envelope.kind + '?')
    if corruption == 'sender':
        return replace(envelope, sender=envelope.sender + 1)
    if corruption == 'run':  # an earlier one: a message of a later run would be kept
        return replace(envelope, run=max(envelope.run - 1, 0))
    if corruption == 'size' or (corruption and not data.size):
        return replace(envelope, data=np.concatenate([data, np.zeros((1, *data.shape[1:]))]))
    if corruption:
        data = data.copy()
        data.flat[data.size // 2] = np.nan if corruption == 'NaN' else np.inf
    return replace(envelope, data=data)
