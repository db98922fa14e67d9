# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Second-order Q-learning of the parameters of an MPC (paper 000): a step of Newton's method on the TD errors.

For a batch of T transitions with TD errors delta, gradients G = [g_1 ... g_T] of Q and Hessians h of the Lagrangian,
all agents together solve for d in::

    (1/T (G G' - K) + sigma I) d = 1/T G delta,    K = sum_tau delta_tau h_tau,    theta <- theta + alpha d.

K is block diagonal over the agents and the rest has rank T. By Woodbury's identity the agents need to agree only on one
T x T matrix::

    K~_i = (T sigma I - K_i)^-1,    C = sum_i G_i' K~_i G_i,    d_i = K~_i G_i (I + C)^-1 delta.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

import numpy as np

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Protocol
from dmpcrl_ros.methods.learner import Transition, Update
from dmpcrl_ros.methods.q_learning.first_order import QLearning
from dmpcrl_ros.methods.q_learning.safeguards import SafeguardReport


class BatchRefused(Exception):
    """A batch cannot be used; the message gives the reason."""


@dataclass(frozen=True)
class Batch:
    """Data of one agent on T transitions.

    Args:
        td_errors: delta (T,).
        gradients: of Q in its parameters, G (p, T).
        curvature: -K (p, p), after the safeguards.
        regularisation: T sigma, of the sum over the transitions.
    """

    td_errors: np.ndarray
    gradients: np.ndarray
    curvature: np.ndarray
    regularisation: float


class NewtonSystem(Interface):
    """Solver for d_i."""

    def direction(self, batch: Batch | None, count: int) -> Protocol[np.ndarray]:
        """Direction d_i (p_i,) for a batch of `count` transitions. An agent without a batch passes None and takes part.

        Raises:
            BatchRefused: there is no such direction; raised after all exchanges.
        """


class CentralNewton:
    """C-SO: solves the whole system in one controller.

    Args:
        definite: whether to refuse a Hessian that is not positive definite.
    """

    def __init__(self, *, definite: bool = True):
        self._definite = definite

    def direction(self, batch: Batch | None, count: int) -> Protocol[np.ndarray]:
        """d (p,)."""
        yield from ()
        if batch is None:
            raise BatchRefused('no valid batch')
        G = batch.gradients
        hessian = (G @ G.T + batch.curvature + batch.regularisation * np.eye(len(G))) / count
        return _solve(hessian, G @ batch.td_errors / count, 'the Hessian', self._definite)


class DistributedNewton:
    """D-SO: each agent inverts its own block, and all agree on C, which has T (T + 1) / 2 numbers for any network.

    Args:
        consensus: of the network.
        definite: whether to refuse a block or a matrix I + C that is not positive definite.
        as_released: use K~_i = (sigma I - mean of delta h)^-1 of the released program, which weighs regularisation and
            curvature T times less than C-SO; for comparison only.
    """

    def __init__(self, consensus: Consensus, *, definite: bool = True, as_released: bool = False):
        self._consensus, self._definite, self._as_released = consensus, definite, as_released

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
            raise BatchRefused('the matrix C received from the neighbours is not finite')
        C = np.zeros((count, count))
        C[upper] = agreed
        C += np.triu(C, 1).T
        return applied @ _solve(np.eye(count) + C, batch.td_errors, 'the matrix I + C', self._definite)

    @staticmethod
    def _finite_part(part: np.ndarray) -> np.ndarray:
        """Check the part of C to be sent: neighbours drop messages that are not finite."""
        if not np.isfinite(part).all():
            raise BatchRefused("this agent's part of C is not finite")
        return part

    def _apply_inverse_block(self, batch: Batch, count: int) -> np.ndarray:
        """K~_i G_i (p_i, T)."""
        block = batch.regularisation * np.eye(len(batch.gradients)) + batch.curvature
        if self._as_released:
            block /= count
        return _solve(block, batch.gradients, 'the block of second derivatives', self._definite)


class SecondOrderQLearning(QLearning):
    """theta <- theta + alpha d, by all agents or by none.

    Args:
        newton: solver for d.
        consensus: for the agreements on the batch and on the step.
        regularisation: sigma.
        others: arguments of QLearning.
    """

    second_order = True

    def __init__(self, *, newton: NewtonSystem, consensus: Consensus, regularisation: float, **others: Any):
        super().__init__(**others)
        self._newton, self._consensus, self._regularisation = newton, consensus, regularisation

    def update(self, step: int, theta: np.ndarray) -> Protocol[Update]:
        """theta (p,) after one step of all agents; a step that is too long is shortened by one common factor."""
        transitions = yield from self._agreed_sample(step)
        if not transitions:
            return Update()
        fault, excess, batch, reversed_ = '', 1.0, None, 0
        try:
            batch, reversed_ = self._batch(transitions)
        except BatchRefused as reason:
            fault = str(reason)
        try:
            direction = yield from self._newton.direction(batch, len(transitions))
            change = self._rate(step) * self._in_parameters(direction)
            excess = self._safeguards.excess(theta, change)
            if not np.isfinite(excess):
                raise BatchRefused('the step is not finite')
        except BatchRefused as reason:
            fault, excess = fault or str(reason), 1.0
        refused, excess = yield from self._consensus.maximum([bool(fault), excess])
        if not refused < 0.5:
            return Update(fault='batch refused: ' + (fault or 'another agent could not use it'))
        theta, held = self._safeguards.hold(theta + change / excess)
        return Update(theta, metrics=vars(SafeguardReport(reversed_, float(1.0 / excess), held)))

    def _agreed_sample(self, step: int) -> Protocol[list[Transition]]:
        """Transitions drawn for this step that every agent has."""
        drawn = self._sample(step)
        lacking = yield from self._consensus.maximum([transition is None for transition in drawn])
        return [transition for transition, lacks in zip(drawn, lacking, strict=True) if transition and lacks < 0.5]

    def _batch(self, transitions: Sequence[Transition]) -> tuple[Batch, int]:
        """Batch of these transitions, and the number of them whose curvature the safeguards changed."""
        for t in transitions:
            numbers = (t.td_error, t.gradient, t.hessian)
            if not all(each is not None and np.isfinite(each).all() for each in numbers):
                raise BatchRefused(f'the transition that ended in step {t.step} is not finite')
        return self._model(
            np.array([t.td_error for t in transitions]),
            np.column_stack([t.gradient for t in transitions]),
            np.array([t.hessian for t in transitions]),
        )

    def _in_parameters(self, direction: np.ndarray) -> np.ndarray:
        """Direction (p,) in theta, of the one in the parameters of the batch."""
        return direction

    def _model(self, td_errors: np.ndarray, gradients: np.ndarray, hessians: np.ndarray) -> tuple[Batch, int]:
        """Batch of TD errors (T,), gradients (p, T) and Hessians (T, p, p); see `_batch`."""
        curvature, reversed_ = self._safeguards.curvature(td_errors, hessians)
        return Batch(td_errors, gradients, curvature, len(td_errors) * self._regularisation), reversed_


def _solve(matrix: np.ndarray, right: np.ndarray, what: str, definite: bool) -> np.ndarray:
    """Solution of a symmetric system.

    Raises:
        BatchRefused: the matrix, named by `what`, is singular, or not positive definite if it must be.
    """
    if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        raise BatchRefused(f'{what} is not finite')
    try:
        if definite:
            np.linalg.cholesky(matrix)  # raises if it is not positive definite
        found = np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        raise BatchRefused(f'{what} is {"not positive definite" if definite else "singular"}') from None
    if not np.isfinite(found).all():
        raise BatchRefused(f'{what} is singular')
    return found
