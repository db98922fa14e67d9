# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Coordination of all evaluations of a step by ADMM in the same message rounds."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Act, DeadlineReached, Exchange, Protocol
from dmpcrl_ros.core.packing import packed
from dmpcrl_ros.core.spanning_tree import FAILED, UNKNOWN
from dmpcrl_ros.mpc.admm import Admm
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
        answers = {
            name: Answer(part.solution, np.nan, part.failure) for name, part in zip(requests, parts, strict=True)
        }
        metrics = _residuals(parts)
        rounds = 2 * max(part.report.iterations for part in parts)
        late = next((part.report.late for part in parts if part.report.late), '')
        try:
            if not late:
                failed = any(part.failure for part in parts)
                totals = yield from self._consensus.total(np.array([*sums, *(part.value for part in parts)]))
                told = [*maxima, failed, self.partial]
                *largest, failed, partial = (yield from self._consensus.maximum(told)).tolist()
        except DeadlineReached as deadline:
            late = str(deadline)
        if late:
            return Outcome(
                answers=answers,
                sums=np.zeros(len(sums)),
                maxima=np.zeros(len(maxima)),
                rounds=rounds,
                metrics=metrics,
                late=late,
            )
        usable, values = not (failed or partial), totals[len(sums) :].tolist()
        change = max(metrics['primal_residual'], metrics['dual_residual'])
        return Outcome(
            answers={name: answers[name]._replace(value=value) for name, value in zip(answers, values, strict=True)},
            sums=totals[: len(sums)],
            maxima=np.array(largest),
            rounds=rounds,
            change=FAILED if failed else UNKNOWN if partial else change,
            usable=usable,
            certified=usable and all(part.report.converged for part in parts),
            metrics=metrics,
        )

    def _lane(self, name: str) -> _Lane:
        if name not in self._lanes:
            self._lanes[name] = _Lane(self._problem, self._make_admm())
        return self._lanes[name]


def _residuals(parts: Sequence[Evaluation[QpSolution]]) -> dict[str, float]:
    """Metrics of the evaluations of a step: the largest ones."""
    return {
        'admm_iterations': float(max(part.report.iterations for part in parts)),
        'primal_residual': max(part.report.primal_residual for part in parts),
        'dual_residual': max(part.report.dual_residual for part in parts),
    }
