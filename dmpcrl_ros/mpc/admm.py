# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Consensus ADMM: one agent's part of Algorithm 1 of paper 001."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import DeadlineReached, Exchange, Protocol
from dmpcrl_ros.core.graph import CouplingGraph
from dmpcrl_ros.mpc.solver import QpFailure


@dataclass(frozen=True, kw_only=True)
class AdmmOptions:
    """Number of iterations, penalty and starting point.

    Args:
        rho: penalty of the augmented Lagrangian, positive.
        iterations: number of iterations; with a tolerance, the largest number.
        tolerance: stop when the largest primal and dual residual of any agent (infinity norm) is at or below it;
            0 runs all iterations, as published.
        check_every: iterations between two checks of the residuals; each costs as many rounds as the graph's diameter.
        warm_start: begin at the averages and multipliers of the former run instead of at zero.
    """

    rho: float
    iterations: int
    tolerance: float = 0.0
    check_every: int = 5
    warm_start: bool = False


@dataclass(frozen=True)
class AdmmReport:
    """Outcome of a run at one agent.

    Args:
        iterations: number of iterations done.
        primal_residual: of this agent, infinity norm.
        dual_residual: of this agent, infinity norm.
        failure: reason of a failed local problem; empty without a failure.
        correction: y'(x - z). F + y'(x - z), added up over the agents, is the value of the dual function at y, because
            x minimises F + y'x and the multipliers of each trajectory add up to zero: its error is of second order in
            the residuals, that of F alone of first order.
        late: reason of an end before the last iteration; empty for a complete run.
        converged: whether the residuals of all agents are within the tolerance; never without a tolerance, except for
            an agent without neighbours.
    """

    iterations: int
    primal_residual: float
    dual_residual: float
    failure: str
    correction: float = 0.0
    late: str = ''
    converged: bool = False


def residual_metrics(reports: Sequence[AdmmReport]) -> dict[str, float]:
    """Metrics of runs that share their rounds, by their names: the largest ones."""
    primal, dual = (max(getattr(each, name) for each in reports) for name in ('primal_residual', 'dual_residual'))
    return {
        'admm_iterations': float(max(each.iterations for each in reports)),
        'primal_residual': primal,
        'dual_residual': dual,
        'coordination_change': max(primal, dual),
    }


class Admm:
    """Agrees with the neighbours on the trajectories that couple them.

    The augmented state of agent i is its own trajectory and its copies of its parents'; z are the averages of all
    opinions on a trajectory, y the multipliers.

    Args:
        agent: index i.
        graph: of the coupling.
        shapes: (N+1, n_x) of the agent's own trajectory and of each parent's.
        consensus: for the agreements on stopping and starting.
        repeated: (S, n) of the variables after the trajectories in x: S versions of n variables of this agent, which
            must agree, too. Their average needs no messages.
    """

    def __init__(
        self,
        agent: int,
        graph: CouplingGraph,
        shapes: Mapping[int, tuple[int, int]],
        options: AdmmOptions,
        consensus: Consensus,
        repeated: tuple[int, int] = (0, 0),
    ):
        self.options = options
        self._parents, self._holders = graph.parents[agent], graph.holders[agent]
        self._own_shape = shapes[agent]
        self._shapes = {j: shapes[j] for j in self._parents}
        blocks = (agent, *self._parents) if graph.neighbours[agent] or repeated[0] else ()  # nothing to agree on
        ends = np.cumsum([0] + [int(np.prod(shapes[j])) for j in blocks])
        self._own = slice(0, int(ends[1]) if blocks else 0)
        self._copies = {j: slice(int(a), int(b)) for j, a, b in zip(self._parents, ends[1:], ends[2:], strict=False)}
        self._repeated = repeated
        self._versions = slice(int(ends[-1]), int(ends[-1]) + int(np.prod(self._repeated)))
        self.size = self._versions.stop
        self._consensus = consensus
        self.reset()

    def reset(self) -> None:
        """Forget the former run: the next one starts cold."""
        self._warm: tuple[np.ndarray, np.ndarray] | None = None
        self.multipliers = np.zeros(self.size)
        self._predicted = np.zeros(self.size)  # averages of the last run
        self.linear = np.zeros(self.size)  # of a local update that would follow the last run

    def predict_as(self, other: 'Admm') -> None:
        """Hold the trajectory of a lost parent as another evaluation of this agent does."""
        self._predicted = other._predicted

    def run(
        self, solve: Callable[[np.ndarray], np.ndarray], observe: Callable[[int], None] | None = None
    ) -> Protocol[AdmmReport]:
        """Alternate local updates and averages.

        At the deadline a run ends with the iterate that it has (anytime ADMM), after at least one complete iteration.

        Args:
            solve: local update; returns `argmin F(x) + linear'x + rho/2 |x|^2` (size,) for a linear term (size,). When
                it raises QpFailure the agent keeps its last solution and continues, so that no neighbour waits for it.
            observe: called with the number of the iteration after each local update.
        """
        if not self.size:
            return self._alone(solve)
        rho, failure, stopped, late = self.options.rho, '', False, ''
        z, y = yield from self._start()
        x = z.copy()
        linear = y - rho * z
        for iteration in range(1, self.options.iterations + 1):
            try:
                x = solve(linear)
            except QpFailure as problem:
                failure = failure or f'ADMM iteration {iteration}: {problem}'
            if observe:
                observe(iteration)
            try:
                before, z = z, (yield from self._average(x))
                y = y + rho * (x - z)
                linear = y - rho * z
                if self.options.tolerance and iteration % self.options.check_every == 0:
                    (worst,) = yield from self._consensus.maximum([max(self._residuals(x, z, before))])
                    stopped = worst <= self.options.tolerance
            except DeadlineReached as deadline:
                if iteration == 1:  # before the first average the iterate is only a guess
                    raise
                late = str(deadline)
            if stopped or late:
                break
        self.multipliers, self.linear, self._predicted = y, linear, z
        self._warm = None if failure or late else (z, y)
        return AdmmReport(iteration, *self._residuals(x, z, before), failure, float(y @ (x - z)), late, stopped)

    def _average(self, x: np.ndarray) -> Protocol[np.ndarray]:
        """Averages (size,) of all opinions on each trajectory; for a lost parent, that of the former run."""
        inbox = yield Exchange(
            'copies',
            {j: x[part].reshape(self._shapes[j]) for j, part in self._copies.items()},
            dict.fromkeys(self._holders, self._own_shape),
        )
        own = x[self._own].reshape(self._own_shape).copy()
        for opinion in inbox.values():
            own += opinion
        own /= 1 + len(inbox)
        inbox = yield Exchange('averages', dict.fromkeys(self._holders, own), self._shapes)
        z = self._predicted.copy()
        z[self._own] = own.ravel()
        for j, part in self._copies.items():
            if j in inbox:
                z[part] = inbox[j].ravel()
        if self._repeated[0]:
            z[self._versions] = np.tile(x[self._versions].reshape(self._repeated).mean(axis=0), self._repeated[0])
        return z

    def _alone(self, solve: Callable[[np.ndarray], np.ndarray]) -> AdmmReport:
        """Solve the problem once, for an agent without neighbours."""
        try:
            solve(self.linear)
        except QpFailure as problem:
            return AdmmReport(1, 0.0, 0.0, str(problem))
        return AdmmReport(1, 0.0, 0.0, '', converged=True)

    def _start(self) -> Protocol[tuple[np.ndarray, np.ndarray]]:
        """Averages and multipliers to begin with.

        The multipliers of all opinions on a trajectory must add up to zero, so either every agent starts warm or none
        does.
        """
        if self.options.warm_start:
            warm, self._warm = self._warm, None  # an abandoned run leaves no starting point
            (anyone_cold,) = yield from self._consensus.maximum([warm is None])
            if warm and not anyone_cold:
                return warm
        return np.zeros(self.size), np.zeros(self.size)

    def _residuals(self, x: np.ndarray, z: np.ndarray, before: np.ndarray) -> tuple[float, float]:
        return float(np.abs(x - z).max()), float(self.options.rho * np.abs(z - before).max())
