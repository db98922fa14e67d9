# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Coordination by messages along a spanning tree: rounds in which evaluations, sums and flags travel together.

What the agents tell one another of an evaluation is its method: `reactions` or `prices`.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dmpcrl_ros.core.exchange import Act, DeadlineReached, Exchange, Protocol
from dmpcrl_ros.core.spanning_tree import FAILED, SpanningTree, TreeAgreement
from dmpcrl_ros.mpc.condensed import LocalStructure
from dmpcrl_ros.mpc.coordination import Answer, CoordinationOptions, Outcome, Request
from dmpcrl_ros.mpc.damping import Damping
from dmpcrl_ros.mpc.local_evaluation import LocalEvaluation
from dmpcrl_ros.mpc.prices import PricedEvaluation
from dmpcrl_ros.mpc.reactions import ReactingEvaluation
from dmpcrl_ros.mpc.solver import QpFailure

_RESOLUTION = 1e-3  # change of a message, relative to the tolerance, that does not make its receiver solve again
TREE_METHODS: Mapping[str, type[LocalEvaluation]] = {
    method.kind: method for method in (ReactingEvaluation, PricedEvaluation)
}


class TreeCoordination:
    """One agent's part of the rounds in which neighbours in the tree tell one another how their sides of an edge react.

    The models of the neighbours are kept from step to step: each evaluation begins with the last ones of its name, and
    need not agree with the others on whether it does.

    Args:
        method: kind of the evaluations.
        agent: index of the agent.
        tree: spanning tree of its network.
        structure: places of the variables of its problem.
        options: when the rounds end.
    """

    def __init__(
        self,
        method: type[LocalEvaluation],
        agent: int,
        tree: SpanningTree,
        structure: LocalStructure,
        options: CoordinationOptions,
    ):
        self._method, self._agent, self._options = method, agent, options
        self.reset()
        self.use(tree, structure)

    def use(self, tree: SpanningTree, structure: LocalStructure) -> None:
        """Use another tree, as where edges are cut; the models of the neighbours are forgotten.

        The trajectories of parents that it does not reach stay as they were predicted last.
        """
        self._tree, self._structure, self._depth = tree, structure, tree.diameters[self._agent]
        shared = structure.shared
        self._sizes = {j: self._method.model.size(len(shared.ours[j]), len(shared.theirs[j])) for j in shared.theirs}
        self._missing: frozenset[int] = frozenset()
        self._damping = Damping(self._depth)
        self._most = self._options.rounds or self._damping.rounds
        without = ', '.join(f'{i}-{j}' for i, j in sorted(tree.cut))  # messages of another tree do not fit
        self._kind = f'{self._method.kind} without {without}' if without else self._method.kind
        self._evaluations: dict[str, LocalEvaluation] = {}

    @property
    def early(self) -> bool:
        """Whether agents act before the answers are certified."""
        return self._options.early

    def reset(self) -> None:
        """Forget the models of all neighbours and their trajectories: the next evaluations begin without them."""
        self._evaluations = {}
        self._predicted: dict[int, np.ndarray] = {}  # shared entries of parents' trajectories, of the last answers

    @property
    def partial(self) -> bool:
        """Whether a neighbour was missing in the last round: its last message is used in its place."""
        return bool(self._missing)

    def run(
        self,
        requests: Mapping[str, Request],
        sums: Sequence[float] = (),
        maxima: Sequence[float] = (),
        early: Callable[[Mapping[str, Answer]], Act] | None = None,
    ) -> Generator[Exchange | Act, Any, Outcome]:
        """Evaluate all requests, and add up and compare numbers, in the same rounds (see Coordination).

        With `early`, the agent acts after D + 1 rounds.

        Raises:
            ExchangeTimeout: a round fails, or the deadline comes in one of the first D rounds.
        """
        agreement = TreeAgreement(self._agent, self._tree, sums, maxima, self._missing)
        evaluations = [self._evaluation(name) for name in requests]
        failures = [_begin(*each) for each in zip(evaluations, requests.values(), strict=True)]
        self._told: dict[int, list[np.ndarray]] = {}
        late = ''
        while not late:
            agreement.report(_solve(evaluations, failures))
            if self._settled(agreement) or agreement.change == FAILED or agreement.rounds >= self._most:
                break
            if early and agreement.rounds == self._depth + 1:
                yield early(_answers(requests, evaluations, failures))
            try:
                yield from self._round(evaluations, failures, agreement)
            except DeadlineReached as deadline:
                if agreement.rounds <= self._depth:
                    raise
                late = str(deadline)
        outcome = self._outcome(agreement, _answers(requests, evaluations, failures), late)
        if outcome.certified:
            self._predicted |= {j: evaluations[0].w[block] for j, block in self._structure.shared.blocks.items()}
        return outcome

    def _settled(self, agreement: TreeAgreement) -> bool:
        """Whether no agent's solution changed D rounds before."""
        shows = self._damping.shows(agreement.rounds - self._depth)
        return shows and agreement.change <= self._options.tolerance

    def _outcome(self, agreement: TreeAgreement, answers: Mapping[str, Answer], late: str) -> Outcome:
        certified = self._settled(agreement) and not any(answer.failure for answer in answers.values())
        return Outcome(
            answers=answers,
            sums=agreement.sums,
            maxima=agreement.maxima,
            rounds=agreement.rounds,
            change=agreement.change,
            usable=certified,
            certified=certified,
            metrics={'coordination_rounds': float(agreement.rounds), 'coordination_change': agreement.change},
            late=late,
        )

    def _evaluation(self, name: str) -> LocalEvaluation:
        if name not in self._evaluations:
            shared = self._structure.shared
            unreached = {j: self._predicted.get(j, np.zeros(len(shared.blocks[j]))) for j in shared.unreached}
            self._evaluations[name] = self._method(self._structure, _RESOLUTION * self._options.tolerance, unreached)
        return self._evaluations[name]

    def _round(
        self, evaluations: Sequence[LocalEvaluation], failures: list[str], agreement: TreeAgreement
    ) -> Protocol[None]:
        """Tell every neighbour the messages of all evaluations, and take theirs.

        An agent without a solution tells nothing of use, but goes on: no neighbour waits for it.
        """
        outbox = {}
        for j, size in self._sizes.items():
            messages = [np.zeros(size) for _ in evaluations]
            for k, evaluation in enumerate(evaluations):
                if not failures[k]:
                    try:
                        messages[k] = evaluation.message(j)
                    except QpFailure as failure:
                        failures[k] = str(failure)
            if self._damping.damps(agreement.rounds):
                messages = [0.5 * (new + old) for new, old in zip(messages, self._told[j], strict=True)]
            self._told[j] = messages
            outbox[j] = np.concatenate([*messages, agreement.message(j)])
        expects = {j: (len(message),) for j, message in outbox.items()}
        inbox = yield Exchange(self._kind, outbox, expects)
        for j, message in inbox.items():
            for k, each in enumerate(evaluations):
                each.models[j].take(message[k * self._sizes[j] : (k + 1) * self._sizes[j]])
        agreement.receive({j: message[len(evaluations) * self._sizes[j] :] for j, message in inbox.items()})
        self._missing = agreement.missing


def _solve(evaluations: Sequence[LocalEvaluation], failures: list[str]) -> float:
    """Solve all evaluations, and note why one fails: the largest change, FAILED after a failure."""
    change = 0.0
    for k, evaluation in enumerate(evaluations):
        if not failures[k]:
            try:
                change = max(change, evaluation.solve())
            except QpFailure as failure:
                failures[k] = str(failure)
    return FAILED if any(failures) else change


def _answers(
    names: Iterable[str], evaluations: Sequence[LocalEvaluation], failures: Sequence[str]
) -> dict[str, Answer]:
    return {
        name: Answer(None, 0.0, failure) if failure else Answer(evaluation.solution(), evaluation.value, '')
        for name, evaluation, failure in zip(names, evaluations, failures, strict=True)
    }


def _begin(evaluation: LocalEvaluation, request: Request) -> str:
    """Begin an evaluation: the reason of a failure, empty without one."""
    if request.qp is None or request.data is None:
        return request.failure
    try:
        evaluation.begin(request.qp, request.data, request.state, request.action)
    except QpFailure as failure:
        return str(failure)
    return ''
