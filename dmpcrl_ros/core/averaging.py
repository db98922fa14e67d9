"""Weights of average consensus: which multiple of whose value an agent takes in each round.

A schedule is a sequence of doubly stochastic (or at least average-preserving) matrices W_1 ... W_K with the sparsity of
the communication graph; a round is v_i <- W_k[i, i] v_i + sum_j W_k[i, j] v_j. Its error factor is known before it
runs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dmpcrl_ros.core.graph import CouplingGraph

# Relative to the largest; eigenvalues of a Laplacian of up to hundreds of agents are known to 1e-12.
_SAME_EIGENVALUE = 1e-8


@dataclass(frozen=True)
class AveragingSchedule:
    """Weight matrices of every round, (rounds, n, n)."""

    weights: np.ndarray

    @property
    def rounds(self) -> int:
        """Number of rounds K."""
        return len(self.weights)

    @cached_property
    def error(self) -> float:
        """Spectral norm of W_K ... W_1 - 11^T/n: the factor by which disagreement shrinks in the whole run."""
        n = self.weights.shape[1]
        product = np.eye(n)
        for weight in self.weights:
            product = weight @ product
        return float(np.linalg.norm(product - 1.0 / n, 2))

    def row(self, agent: int, neighbours: tuple[int, ...]) -> list[tuple[float, tuple[float, ...]]]:
        """What one agent needs of the schedule: for each round its own weight and those of its neighbours."""
        return [(float(w[agent, agent]), tuple(w[agent, list(neighbours)].tolist())) for w in self.weights]


def fixed_weights(graph: CouplingGraph, rounds: int = 100) -> AveragingSchedule:
    """P = I - eps L with eps = 0.5 / max degree, repeated (GAC of paper 001 as released)."""
    largest = max(graph.adjacency.sum(axis=1).max(), 1.0)
    return _repeat(np.eye(graph.n_agents) - 0.5 / largest * graph.laplacian, rounds)


def metropolis_weights(graph: CouplingGraph, rounds: int = 100) -> AveragingSchedule:
    """w_ij = 1 / (1 + max(deg_i, deg_j)), repeated: each agent needs to know only its neighbours' degrees."""
    degree = graph.adjacency.sum(axis=1)
    weight = graph.adjacency / (1.0 + np.maximum.outer(degree, degree))
    return _repeat(weight + np.diag(1.0 - weight.sum(axis=1)), rounds)


def finite_time(graph: CouplingGraph) -> AveragingSchedule:
    """v <- v - L v / lambda_k over the distinct non-zero eigenvalues of the Laplacian L: exact after the last of them.

    The factors I - L / lambda_k annihilate, one after the other, every mode but the average. They are applied in Leja
    order, which keeps the intermediate products small.
    """
    eigenvalues = np.linalg.eigvalsh(graph.laplacian)
    distinct: list[float] = []
    for value in eigenvalues:
        if value > _SAME_EIGENVALUE * eigenvalues[-1] and (
                not distinct or value - distinct[-1] > _SAME_EIGENVALUE * eigenvalues[-1]):
            distinct.append(float(value))
    identity = np.eye(graph.n_agents)
    weights = [identity - graph.laplacian / value for value in _leja_order(distinct)]
    return AveragingSchedule(np.reshape(weights, (len(weights), graph.n_agents, graph.n_agents)))


def _repeat(weight: np.ndarray, rounds: int) -> AveragingSchedule:
    if rounds < 1:
        raise ValueError(f'average consensus needs at least one round, not {rounds}')
    return AveragingSchedule(np.repeat(weight[None], rounds, axis=0))


def _leja_order(points: list[float]) -> list[float]:
    """Each next point maximises the product of its distances to those before it."""
    remaining, ordered = sorted(points, key=abs), []
    while remaining:
        best = max(remaining, key=lambda p: (sum(np.log(abs(p - q)) for q in ordered), p))
        ordered.append(best)
        remaining.remove(best)
    return ordered
