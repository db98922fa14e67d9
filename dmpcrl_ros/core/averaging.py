# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Weights of average consensus.

A schedule is a sequence of doubly stochastic (or at least average-preserving) matrices W_1 ... W_K with the sparsity of
the communication graph; a round is v_i <- W_k[i, i] v_i + sum_j W_k[i, j] v_j. The error factor of a schedule is known
in advance.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from dmpcrl_ros.core.graph import CouplingGraph

# Relative to the largest; numerical eigenvalues of the Laplacian of hundreds of agents are accurate to 1e-12.
_SAME_EIGENVALUE = 1e-8


class AveragingSchedule:
    """Weights of every round. Each agent needs one row of them.

    Args:
        matrix: (n, n); W itself, the same in all rounds, or the matrix that the divisors scale.
        divisors: (K,), such that W_k = I - matrix / divisors[k]; None for none.
        rounds: K, without divisors.
    """

    def __init__(self, matrix: np.ndarray, *, divisors: Sequence[float] | None = None, rounds: int = 0):
        self.n_agents = len(matrix)
        self.rounds = rounds if divisors is None else len(divisors)
        self._matrix = matrix
        self._divisors = None if divisors is None else np.array(divisors, dtype=float)

    @property
    def weights(self) -> np.ndarray:
        """Matrices of all rounds, (K, n, n)."""
        n = self.n_agents
        return np.reshape([self._weight(k) for k in range(self.rounds)], (self.rounds, n, n))

    @cached_property
    def error(self) -> float:
        """Factor by which all rounds together reduce disagreement: the spectral norm of W_K ... W_1 - 11^T/n."""
        product = np.eye(self.n_agents)
        for k in range(self.rounds):
            product = self._weight(k) @ product
        return float(np.linalg.norm(product - 1.0 / self.n_agents, 2))

    def row(self, agent: int, neighbours: tuple[int, ...]) -> list[tuple[float, tuple[float, ...]]]:
        """Weight of the agent itself and weights of its neighbours, for each round."""
        own, others = self._matrix[agent, agent], self._matrix[agent, list(neighbours)]
        if self._divisors is None:
            return [(float(own), tuple(others.tolist()))] * self.rounds
        return [(float(1.0 - own / divisor), tuple((0.0 - others / divisor).tolist())) for divisor in self._divisors]

    def _weight(self, k: int) -> np.ndarray:
        return self._matrix if self._divisors is None else np.eye(self.n_agents) - self._matrix / self._divisors[k]


def fixed_weights(graph: CouplingGraph, rounds: int = 100) -> AveragingSchedule:
    """P = I - eps L with eps = 0.5 / max degree, repeated (GAC of paper 001 as released)."""
    largest = max(graph.adjacency.sum(axis=1).max(), 1.0)
    return _repeat(np.eye(graph.n_agents) - 0.5 / largest * graph.laplacian, rounds)


def metropolis_weights(graph: CouplingGraph, rounds: int = 100) -> AveragingSchedule:
    """w_ij = 1 / (1 + max(deg_i, deg_j)), repeated: each agent needs to know only its neighbours' degrees."""
    degree = graph.adjacency.sum(axis=1)
    weight = graph.adjacency / (1.0 + np.maximum.outer(degree, degree))
    return _repeat(weight + np.diag(1.0 - weight.sum(axis=1)), rounds)


@lru_cache(maxsize=8)  # all agents of a network in one process share it
def finite_time(graph: CouplingGraph) -> AveragingSchedule:
    """v <- v - L v / lambda_k over the distinct non-zero eigenvalues of the Laplacian L: exact after the last one.

    The factors I - L / lambda_k annihilate, one after the other, every mode but the average. They are applied in Leja
    order, which keeps the intermediate products small.
    """
    eigenvalues = np.linalg.eigvalsh(graph.laplacian)
    distinct: list[float] = []
    for value in eigenvalues:
        if value > _SAME_EIGENVALUE * eigenvalues[-1] and (
            not distinct or value - distinct[-1] > _SAME_EIGENVALUE * eigenvalues[-1]
        ):
            distinct.append(float(value))
    return AveragingSchedule(graph.laplacian, divisors=_leja_order(distinct))


def _repeat(weight: np.ndarray, rounds: int) -> AveragingSchedule:
    if rounds < 1:
        raise ValueError(f'average consensus needs at least one round, not {rounds}')
    return AveragingSchedule(weight, rounds=rounds)


def _leja_order(points: list[float]) -> list[float]:
    """Each next point maximises the product of its distances to those before it."""
    remaining, ordered = np.array(sorted(points, key=abs)), []
    closeness = np.zeros(len(points))  # sum of the logarithms of the distances to those before
    while remaining.size:
        best = max(range(len(remaining)), key=lambda k: (closeness[k], remaining[k]))
        ordered.append(float(remaining[best]))
        remaining, closeness = np.delete(remaining, best), np.delete(closeness, best)
        closeness = closeness + np.log(np.abs(remaining - ordered[-1]))
    return ordered
