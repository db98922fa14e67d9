# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Coordination of all evaluations of a step by ADMM in the same message rounds."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Act, DeadlineReached, Exchange, Protocol
from dmpcrl_ros.core.packing import packed
from dmpcrl_ros.core.spanning_tree import FAILED, UNKNOWN
from dmpcrl_ros.mpc.admm import Admm, residual_metrics
from dmpcrl_ros.mpc.augmented import AugmentedProgramme
from dmpcrl_ros.mpc.coordination import Answer, Outcome, Request
from dmpcrl_ros.mpc.evaluation import Evaluation, solve_by_admm
from dmpcrl_ros.mpc.problem import ParametricProblem
from dmpcrl_ros.mpc.programme import QpData, QpSolution
from dmpcrl_ros.mpc.solver import QpFailure


class _Lane:
    """One evaluation, which begins where that of its name ended in the step before.

    Args:
        problem: of the agent.
        admm: its coordination with the neighbours, for this evaluation.
    """

    def __init__(self, problem: ParametricProblem, admm: Admm):
        self._problem, self.admm = problem, admm
        self._matrix: np.ndarray | None = None

    def evaluate(self, request: Request) -> Protocol[Evaluation[QpSolution]]:
        """This agent's part of the evaluation."""
        return (yield from solve_by_admm(self, self.admm, lambda: self._begin(request)))

    def _begin(self, request: Request) -> None:
        if request.data is None:
            raise QpFailure(request.failure)
        if request.data.hessian is not self._matrix:  # another theta
            self._programme = AugmentedProgramme(self._problem, request.data, self.admm.options.rho, self.admm.size)
            self._matrix = request.data.hessian
        self._data: QpData = request.data
        self._programme.begin(request.data, request.state, request.action)

    def solve(self, linear: np.ndarray) -> np.ndarray:
        return self._programme.solve(linear)

    def solution(self) -> QpSolution:
        return self._programme.solution()

    def value(self, solution: QpSolution) -> float:
        return self._data.value(solution)


class _Agreed(NamedTuple):
    """Numbers on which all agents have agreed.

    Args:
        values: of the evaluations (n_e,).
        sums: (n_s,).
        maxima: (n_m,).
        failed: whether an agent has no solution.
        partial: whether a neighbour was missing: the sums are not those of the whole network.
    """

    values: np.ndarray
    sums: np.ndarray
    maxima: np.ndarray
    failed: bool
    partial: bool

    @classmethod
    def nothing(cls, evaluations: int, sums: int, maxima: int) -> '_Agreed':
        """Numbers in place of those for which there was no time."""
        return cls(np.full(evaluations, np.nan), np.zeros(sums), np.zeros(maxima), failed=False, partial=True)


class PackedAdmm:
    """One agent's part of the rounds in which neighbours agree on all evaluations of a step by ADMM.

    The iterations are those of Algorithm 1 of paper 001 (see Admm). Each evaluation has averages and multipliers of its
    own, which it keeps from step to step. Sums follow after the last iteration, by average consensus.

    Args:
        problem: of the agent.
        make_admm: makes the agreement with the neighbours on the trajectories of one evaluation.
        consensus: of the network.
    """

    kind, early = 'packed-admm', False

    def __init__(self, problem: ParametricProblem, make_admm: Callable[[], Admm], consensus: Consensus):
        self._problem, self._make_admm, self._consensus = problem, make_admm, consensus
        self.reset()

    def reset(self) -> None:
        """Forget averages and multipliers: the next evaluations begin at zero."""
        self._lanes: dict[str, _Lane] = {}
        self._consensus.partial = False

    @property
    def partial(self) -> bool:
        """Whether a neighbour was missing in the last sums."""
        return self._consensus.partial

    def run(
        self,
        requests: Mapping[str, Request],
        sums: Sequence[float] = (),
        maxima: Sequence[float] = (),
        early: Callable[[Mapping[str, Answer]], Act] | None = None,
    ) -> Generator[Exchange | Act, Any, Outcome]:
        """Evaluate all requests, then add up and compare numbers over the network (see Coordination).

        Without a tolerance the answers are those of a number of iterations, which all agents use without a certificate.

        Raises:
            ExchangeTimeout: a round fails, or the deadline comes in the first iteration.
        """
        del early  # the action is final when the iterations end
        lanes = [self._lane(name) for name in requests]
        for lane in lanes[1:]:  # a lane that was not used for some steps has old predictions
            lane.admm.predict_as(lanes[0].admm)
        parts = yield from packed(*(lane.evaluate(each) for lane, each in zip(lanes, requests.values(), strict=True)))
        late, agreed = next((part.report.late for part in parts if part.report.late), ''), None
        try:
            if not late:
                agreed = yield from self._agree(parts, sums, maxima)
        except DeadlineReached as deadline:
            late = str(deadline)
        return _outcome(tuple(requests), parts, agreed or _Agreed.nothing(len(parts), len(sums), len(maxima)), late)

    def _agree(
        self, parts: Sequence[Evaluation[QpSolution]], sums: Sequence[float], maxima: Sequence[float]
    ) -> Protocol[_Agreed]:
        """Add up the values and the sums, and compare the maxima, over the network."""
        totals = yield from self._consensus.total(np.array([*sums, *(part.value for part in parts)]))
        told = [*maxima, any(part.failure for part in parts), self.partial]
        largest = yield from self._consensus.maximum(told)
        failed, partial = (largest[len(maxima) :] > 0.5).tolist()
        return _Agreed(totals[len(sums) :], totals[: len(sums)], largest[: len(maxima)], failed, partial)

    def _lane(self, name: str) -> _Lane:
        if name not in self._lanes:
            self._lanes[name] = _Lane(self._problem, self._make_admm())
        return self._lanes[name]


def _outcome(names: Sequence[str], parts: Sequence[Evaluation[QpSolution]], agreed: _Agreed, late: str) -> Outcome:
    """Outcome of a step, of the evaluations by their names."""
    metrics, usable = residual_metrics([part.report for part in parts]), not (late or agreed.failed or agreed.partial)
    change = metrics['coordination_change']
    each = zip(names, parts, agreed.values.tolist(), strict=True)
    return Outcome(
        answers={name: Answer(part.solution, value, part.failure) for name, part, value in each},
        sums=agreed.sums,
        maxima=agreed.maxima,
        rounds=2 * max(part.report.iterations for part in parts),
        change=FAILED if agreed.failed else UNKNOWN if agreed.partial else change,
        usable=usable,
        certified=usable and all(part.report.converged for part in parts),
        metrics=metrics,
        late=late,
    )
