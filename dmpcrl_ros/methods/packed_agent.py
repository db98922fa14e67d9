# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""An agent all of whose evaluations of a step share their message rounds."""

from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np

from dmpcrl_ros.core.agent import Observation, StepReport
from dmpcrl_ros.core.exchange import Act, Exchange, Protocol
from dmpcrl_ros.core.graph import Edge
from dmpcrl_ros.core.spanning_tree import FAILED, UNKNOWN
from dmpcrl_ros.methods.guard import Finding
from dmpcrl_ros.methods.learner import Transition, Update
from dmpcrl_ros.methods.mpc_agent import AgentParts, MpcAgent
from dmpcrl_ros.methods.mpc_step import joined, was_applied
from dmpcrl_ros.methods.packed_step import ACTION_VALUE, EXPLORING, VALUE, PackedDecision, PackedMemory
from dmpcrl_ros.mpc.coordination import Answer, Coordination, Request
from dmpcrl_ros.mpc.parametric_mpc import ParametricMpc, Sensitivities
from dmpcrl_ros.mpc.programme import QpSolution
from dmpcrl_ros.mpc.solver import QpFailure


class PackedAgent(MpcAgent[QpSolution, PackedDecision]):
    """Agent of Algorithm 2 of paper 001 with all its evaluations in the same rounds.

    A step evaluates V(s) and, for the transition that ended, Q(s, a), at the present parameters: those with which the
    published order of the algorithm evaluates it at the end of the step before. Where agents explore, the problem of
    the whole network is perturbed, and its solution is one more evaluation. The stage cost, and whether all agents have
    the transition, travel along. All agents may use the evaluations of a step, or none of them learns from it. The
    agent of a network of one is a centralised controller, and needs no rounds.

    Args:
        coordination: with the neighbours.
        parts: of the agent; its problem is a ParametricMpc.
        go_round: coordinates along the edges of the network that are not cut; None where edges are always used as they
            are.
    """

    mpc: ParametricMpc

    def __init__(
        self,
        coordination: Coordination,
        parts: AgentParts[QpSolution],
        go_round: Callable[[frozenset[Edge]], None] | None = None,
    ):
        self.coordination = coordination
        self._go_round, self._cut = go_round, frozenset[Edge]()
        super().__init__(parts)

    def begin_run(self) -> None:
        """Forget the state of the former run; the parameters stay."""
        self.coordination.reset()
        self._memory: PackedMemory | None = None
        super().begin_run()

    def _decide(self, observation: Observation) -> Generator[Exchange | Act, Any, PackedDecision]:
        if self._go_round and observation.cut != self._cut:
            self._go_round(observation.cut)
            self._cut = observation.cut
        step, memory, self._memory = observation.step, self._memory, None
        if memory and not (memory.precedes(observation) and was_applied(memory.action, observation)):
            memory = None
        explores = self._explores(step)
        explored = self.exploration is not None and bool(explores[self.exploration.agent])
        explored = explored and not (observation.hold or observation.cut or self._holding)
        requests = {VALUE: self._request(observation.state, None, observation.exogenous)}
        if self._needs_action_value(step):  # all agents ask for it, or none; without a memory any pair will do
            at = memory or PackedMemory(observation=observation, action=self._plan.safe_input, answer=None)
            requests[ACTION_VALUE] = self._request(at.observation.state, at.action, at.observation.exogenous)
        if explores.any():
            direction = self.exploration.direction(step) if self.exploration and explored else None
            requests[EXPLORING] = self._request(observation.state, None, observation.exogenous, direction)
        lacking = memory is None or (memory.answer is None and ACTION_VALUE not in requests)
        held = bool(observation.hold or observation.cut) or self.coordination.partial
        early = self._act_early if self.coordination.early else None
        maxima = [lacking, held, *self._finding()]
        outcome = yield from self.coordination.run(requests, [observation.stage_cost], maxima, early)
        act = self._early or self._act(outcome.answers)
        return PackedDecision(
            observation=observation,
            outcome=outcome,
            action=act.action,
            fallback=act.fallback,
            explored=explored,
            memory=memory,
        )

    def _act(self, answers: Mapping[str, Answer]) -> Act:
        """First input of a new plan, or the next one of the last plan where there is no solution."""
        solution = (answers.get(EXPLORING) or answers[VALUE]).solution
        return Act(self._plan.begin(self.mpc.inputs(solution))) if solution else Act(self._plan.follow(), fallback=True)

    def _act_early(self, answers: Mapping[str, Answer]) -> Act:
        self._early = self._act(answers)
        return self._early

    def _explores(self, step: int) -> np.ndarray:
        """Mask (n_agents,) of the agents that explore in a step, the same at every agent."""
        if self.exploration is None or step < 0:
            return np.zeros(self.consensus.n_agents, dtype=bool)
        return self.exploration.coins(step)

    def _needs_action_value(self, step: int) -> bool:
        """Whether learning needs Q of the transition that ends in this step because V of its first state can differ.

        Agents may have started in this step: the answer depends on the number of the step only.
        """
        if self.learner is None or step <= 0:
            return False
        return self.coordination.early or bool(self._explores(step - 1).any() or self.learner.due(step - 1))

    def _request(
        self,
        state: np.ndarray,
        action: np.ndarray | None,
        exogenous: np.ndarray | None,
        perturbation: np.ndarray | None = None,
    ) -> Request:
        try:
            return self.mpc.request(state, action, exogenous, perturbation)
        except QpFailure as failure:
            return Request.failed(str(failure))

    def _learn(self, decision: PackedDecision) -> Protocol[StepReport]:
        """Learn from the transition that ended, and remember the one that begins."""
        outcome, observation, update = decision.outcome, decision.observation, Update()
        (lacking, held), finding = outcome.maxima[:2] > 0.5, Finding(*outcome.maxima[2:].tolist())
        if outcome.usable:  # on which, and on the maxima then, all agents agree
            self._guarded = finding.holds
        self._holding = bool(held) or self._guarded
        fault = self._fault(decision, bool(lacking))
        metrics = {
            **decision.metrics,
            **self._transition(decision, bool(lacking)),
            'learning_held': float(self._guarded),
        }
        went_back = outcome.usable and not held and self._heed(observation.step, finding)
        if self.learner and self.learner.due(observation.step) and outcome.usable and not self._holding:
            update = yield from self._update(self.learner, observation.step)
            fault = joined(fault, update.fault)
        if not held:
            self._note(observation, void=bool(lacking) or not outcome.usable, metrics=metrics)
        answer = outcome.answers[VALUE] if outcome.usable and not went_back else None
        if not observation.cut:
            self._memory = PackedMemory(observation=observation, action=decision.action, answer=answer)
        return StepReport(updates=self.updates, fault=fault, metrics={**metrics, **update.metrics})

    def _transition(self, decision: PackedDecision, lacking: bool) -> dict[str, float]:
        """Metrics of the transition that ended, which the learner has observed if all agents have it."""
        outcome = decision.outcome
        if not outcome.usable or decision.observation.cut:  # the values are not those of the whole network
            return {}
        value, cost = outcome.answers[VALUE].value, float(outcome.sums[0])
        metrics, memory = {'value': value, 'cost': cost}, decision.memory
        visited = outcome.answers.get(ACTION_VALUE) or self._action_value(memory)
        if memory and visited and not (lacking or self._holding):
            metrics['td_error'] = td_error = cost + self._discount * value - visited.value
            if self.learner:
                derivatives = self._derivatives(memory.observation, visited, self.learner.second_order)
                self.learner.observe(
                    Transition(decision.observation.step, td_error, derivatives.gradient, derivatives.hessian)
                )
        return metrics

    def _action_value(self, memory: PackedMemory | None) -> Answer | None:
        """V(s) in the place of Q(s, a) of a transition; not after an early action, which is not quite the best one."""
        return None if memory is None or self.coordination.early else memory.answer

    def _fault(self, decision: PackedDecision, lacking: bool) -> str:
        """Reason why the transition that ended was not learned from; empty without one."""
        outcome = decision.outcome
        failures = [f'{name}: {answer.failure}' for name, answer in outcome.answers.items() if answer.failure]
        if failures:
            return failures[0]
        if not outcome.usable:
            return f'not certified: {_reason(outcome.change)} after {outcome.rounds} rounds'
        if self._guarded and self.guard:
            return self.guard.held
        if self._holding:
            lost = self.coordination.partial or decision.observation.cut
            held = 'a neighbour is lost' if lost else 'learning is held by another agent'
            return decision.observation.hold or held
        if lacking and decision.memory:
            return 'void: another agent does not have the whole transition'
        return ''

    def _derivatives(self, observation: Observation, answer: Answer, second_order: bool) -> Sensitivities:
        """Derivatives in theta of Q(s, a) of a transition that began with this observation.

        Zero if they are not finite: the other agents learn from the transition, and this one changes nothing.
        """
        assert answer.solution is not None  # usable evaluations have one
        self.mpc.set_exogenous(observation.exogenous)
        found = self.mpc.sensitivities(answer.solution, second_order)
        if np.isfinite(found.gradient).all() and (found.hessian is None or np.isfinite(found.hessian).all()):
            return found
        return Sensitivities(
            np.zeros_like(found.gradient), None if found.hessian is None else np.zeros_like(found.hessian)
        )


def _reason(change: float) -> str:
    """Reason why the agents stopped without a certificate, with this largest change."""
    if change == UNKNOWN:
        return 'a message was missed, or the rounds ended before the change was known,'
    return 'an agent has no solution' if change == FAILED else f'the solution still changed by {change:.1e}'
