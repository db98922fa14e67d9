# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Second-order Q-learning of the parameters of an MPC (paper 000): a step of Newton's method on the TD errors.

For a batch of T transitions with TD errors delta, gradients G = [g_1 ... g_T] of Q and Hessians h of the Lagrangian,
all agents together look for the d that solves::

    (1/T (G G' - K) + sigma I) d = 1/T G delta,    K = sum_tau delta_tau h_tau,    theta <- theta + alpha d.

K is block diagonal over the agents, so the rest has rank T and Woodbury's identity leaves one T x T matrix to agree
on::

    K~_i = (T sigma I - K_i)^-1,    C = sum_i G_i' K~_i G_i,    d_i = K~_i G_i (I + C)^-1 delta.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Protocol
from dmpcrl_ros.methods.learner import Transition, Update
from dmpcrl_ros.methods.q_learning.first_order import QLearning
from dmpcrl_ros.methods.q_learning.safeguards import SafeguardReport


class BatchRefused(Exception):
    """Nothing can be learned from a batch; the message says why."""


@dataclass(frozen=True)
class Batch:
    """Data of one agent on T transitions.

    Args:
        td_errors: delta (T,).
        gradients: of Q in its parameters, G (p, T).
        curvature: -K (p, p), or what safeguards make of it.
    """

    td_errors: np.ndarray
    gradients: np.ndarray
    curvature: np.ndarray


class NewtonSystem(Interface):
    """A way to solve for d_i."""

    def direction(self, batch: Batch | None, count: int) -> Protocol[np.ndarray]:
        """d_i (p_i,) for a batch of `count` transitions; None for an agent that has none to offer, but takes part.

        Raises:
            BatchRefused: there is no such direction. Every exchange has been made by then.
        """


class CentralNewton:
    """C-SO: the system as it stands, solved by one controller that knows all of it.

    Args:
        regularisation: sigma.
        definite: whether a Hessian that is not positive definite is refused.
    """

    def __init__(self, regularisation: float, *, definite: bool = True):
        self._regularisation, self._definite = regularisation, definite

    def direction(self, batch: Batch | None, count: int) -> Protocol[np.ndarray]:
        """d (p,)."""
        yield from ()
        if batch is None:
            raise BatchRefused('no valid batch')
        G = batch.gradients
        hessian = (G @ G.T + batch.curvature) / count + self._regularisation * np.eye(len(G))
        return _solve(hessian, G @ batch.td_errors / count, 'the Hessian', self._definite)


class DistributedNewton:
    """D-SO: each agent inverts its own block, and all agree on C, T (T + 1) / 2 numbers, whatever the network.

    Args:
        consensus: of the network.
        regularisation: sigma.
        definite: whether a block or a matrix I + C that is not positive definite is refused.
        as_released: the released program's K~_i = (sigma I - mean of delta h)^-1, which weighs regularisation and
            curvature T times less than C-SO does; for comparison only.
    """

    def __init__(
        self, consensus: Consensus, regularisation: float, *, definite: bool = True, as_released: bool = False
    ):
        self._consensus, self._regularisation = consensus, regularisation
        self._definite, self._as_released = definite, as_released

    def direction(self, batch: Batch | None, count: int) -> Protocol[np.ndarray]:
        """d_i (p_i,) by one run of average consensus."""
        part, applied, refusal = np.zeros((count, count)), None, 'no valid batch'
        if batch is not None:
            try:
                applied = self._apply_inverse_block(batch, count)
                part = self._finite_part(batch.gradients.T @ applied)
            except BatchRefused as reason:
                applied, refusal = None, str(reason)
        upper = np.triu_indices(count)
        agreed = yield from self._consensus.total(part[upper])
        if batch is None or applied is None:
            raise BatchRefused(refusal)
        if not np.isfinite(agreed).all():
            raise BatchRefused('the matrix C that came from the neighbours is not finite')
        C = np.zeros((count, count))
        C[upper] = agreed
        C += np.triu(C, 1).T
        return applied @ _solve(np.eye(count) + C, batch.td_errors, 'the matrix I + C', self._definite)

    @staticmethod
    def _finite_part(part: np.ndarray) -> np.ndarray:
        """The part that is sent; neighbours drop messages that are not finite."""
        if not np.isfinite(part).all():
            raise BatchRefused("this agent's part of C is out of the range of numbers")
        return part

    def _apply_inverse_block(self, batch: Batch, count: int) -> np.ndarray:
        """K~_i G_i (p_i, T)."""
        block = count * self._regularisation * np.eye(len(batch.gradients)) + batch.curvature
        if self._as_released:
            block /= count
        return _solve(block, batch.gradients, 'the block of second derivatives', self._definite)


class SecondOrderQLearning(QLearning):
    """theta <- theta + alpha d, by all agents or by none.

    Args:
        newton: how d is found.
        consensus: for the agreements on the batch and on the step.
        others: as of QLearning.
    """

    second_order = True

    def __init__(self, *, newton: NewtonSystem, consensus: Consensus, **others: Any):
        super().__init__(**others)
        self._newton, self._consensus = newton, consensus

    def update(self, step: int, theta: np.ndarray) -> Protocol[Update]:
        """theta (p,) after one step of all agents, shortened by the same factor everywhere where it is too long."""
        transitions = yield from self._agreed_sample(step)
        if not transitions:
            return Update()
        fault, excess, batch, reversed_ = '', 1.0, None, 0
        try:
            batch, reversed_ = self._batch(transitions)
        except BatchRefused as reason:
            fault = str(reason)
        try:
            change = self._rate(step) * (yield from self._newton.direction(batch, len(transitions)))
            excess = self._safeguards.excess(theta, change)
            if not np.isfinite(excess):
                raise BatchRefused('the step is out of the range of numbers')
        except BatchRefused as reason:
            fault, excess = fault or str(reason), 1.0
        refused, excess = yield from self._consensus.maximum([bool(fault), excess])
        if not refused < 0.5:
            return Update(fault='batch refused: ' + (fault or 'another agent could not use it'))
        theta, held = self._safeguards.hold(theta + change / excess)
        return Update(theta, metrics=vars(SafeguardReport(reversed_, float(1.0 / excess), held)))

    def _agreed_sample(self, step: int) -> Protocol[list[Transition]]:
        """The transitions drawn for this step that every agent has."""
        drawn = self._sample(step)
        lacking = yield from self._consensus.maximum([transition is None for transition in drawn])
        return [transition for transition, lacks in zip(drawn, lacking, strict=True) if transition and lacks < 0.5]

    def _batch(self, transitions: Sequence[Transition]) -> tuple[Batch, int]:
        """The batch of these transitions, and how many of them safeguards gave other curvature."""
        for t in transitions:
            numbers = (t.td_error, t.gradient, t.hessian)
            if not all(each is not None and np.isfinite(each).all() for each in numbers):
                raise BatchRefused(f'the transition that ended in step {t.step} is not finite')
        td_errors = np.array([t.td_error for t in transitions])
        curvature, reversed_ = self._safeguards.curvature(td_errors, np.array([t.hessian for t in transitions]))
        return Batch(td_errors, np.column_stack([t.gradient for t in transitions]), curvature), reversed_


def _solve(matrix: np.ndarray, right: np.ndarray, what: str, definite: bool) -> np.ndarray:
    """Solution of a symmetric system.

    Raises:
        BatchRefused: `what`, the matrix, is singular, or not positive definite where it must be.
    """
    if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        raise BatchRefused(f'{what} is out of the range of numbers')
    try:
        found = cho_solve(cho_factor(matrix), right) if definite else np.linalg.solve(matrix, right)
    except LinAlgError:
        raise BatchRefused(f'{what} is {"not positive definite" if definite else "singular"}') from None
    if not np.isfinite(found).all():
        raise BatchRefused(f'{what} is singular')
    return found
