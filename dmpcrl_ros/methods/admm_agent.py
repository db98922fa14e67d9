# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The agent of the published algorithms: V and Q one after another by ADMM, sums by average consensus."""

from typing import Generic, cast

import numpy as np

from dmpcrl_ros.core.agent import Observation, StepReport
from dmpcrl_ros.core.exchange import Protocol
from dmpcrl_ros.methods.guard import Finding
from dmpcrl_ros.methods.learner import Transition, Update
from dmpcrl_ros.methods.mpc_agent import AgentParts, MpcAgent
from dmpcrl_ros.methods.mpc_step import Agreement, Decision, Memory, agreement_metrics, joined, void_reason
from dmpcrl_ros.mpc.admm import Admm
from dmpcrl_ros.mpc.evaluation import Evaluation, evaluate
from dmpcrl_ros.mpc.interface import LearnableMpc, SolutionT
from dmpcrl_ros.mpc.parametric_mpc import Sensitivities
from dmpcrl_ros.mpc.solver import QpFailure


class AdmmAgent(MpcAgent[SolutionT, Decision[SolutionT]], Generic[SolutionT]):
    """Agent i of Algorithm 2 of paper 001; without a learner, of the MPC of its comparisons.

    When no agent explores and theta stays, the policy gives the executed action and Q(s, a) = V(s): one ADMM run serves
    both. One consensus run sums the parts of V, Q and the stage cost. The agents agree exactly on whether all parts are
    valid, so either all or none of them learn from a transition. The agent of a network of one is a centralised
    controller.

    Args:
        admm: agreement with the neighbours on trajectories.
        parts: of the agent.
    """

    def __init__(self, admm: Admm, parts: AgentParts[SolutionT]):
        self.admm = admm
        super().__init__(parts)

    @property
    def _learnable(self) -> LearnableMpc[SolutionT]:
        # The constructor requires such a problem for a learner or exploration.
        return cast(LearnableMpc[SolutionT], self.mpc)

    def begin_run(self) -> None:
        """Forget the state of the former run; the parameters stay."""
        self.admm.reset()
        self._memory: Memory | None = None
        super().begin_run()

    def evaluate(
        self, state: np.ndarray, action: np.ndarray | None = None, exogenous: np.ndarray | None = None
    ) -> Protocol[Evaluation[SolutionT]]:
        """V(state) or, with an action, Q(state, action); see mpc.evaluation."""
        return evaluate(self.mpc, self.admm, state, action, exogenous)

    def _decide(self, observation: Observation) -> Protocol[Decision[SolutionT]]:
        """Evaluate V(s), and perturb the objective if this agent explores."""
        step, state, exogenous = observation.step, observation.state, observation.exogenous
        if self._memory and not self._memory.was_applied(observation):
            self._memory = None
        anyone_explores = explored = False
        if self.exploration:
            coins = self.exploration.coins(step)
            anyone_explores = bool(coins.any())
            explored = bool(coins[self.exploration.agent]) and not (observation.hold or self._holding)
        policy = yield from self.evaluate(state, exogenous=exogenous)
        solution = policy.solution
        if self.exploration and explored and solution:
            solution = self._perturbed(state, exogenous, self.exploration.direction(step)) or solution
        action = self._plan.begin(self.mpc.inputs(solution)) if solution else self._plan.follow()
        return Decision(observation, policy, action, explored, anyone_explores)

    def _learn(self, decision: Decision[SolutionT]) -> Protocol[StepReport]:
        """Agree on the transition that ended in this step and learn from it.

        V(s') and Q(s, a) of one TD error must belong to the same theta. So the agent evaluates Q of the transition that
        begins after the update.
        """
        memory, self._memory = self._memory, None
        agreement = yield from self._agree(decision, memory)
        fault, visited, update = agreement.fault, decision.policy, Update()
        step = decision.observation.step
        metrics = agreement_metrics(agreement)
        went_back = not agreement.held and self._heed(step, agreement.finding)
        if not agreement.held:
            self._note(decision.observation, void=not agreement.complete, metrics=metrics if agreement.complete else {})
        if self.learner:
            if memory and agreement.evaluated:
                self.learner.observe(Transition(step, agreement.td_error, memory.gradient, memory.hessian))
            if due := self.learner.due(step) and not self._holding:
                update = yield from self._update(self.learner, step)
                fault = joined(fault, update.fault)
            if decision.anyone_explores or due:
                observation = decision.observation
                visited = yield from self.evaluate(observation.state, decision.action, observation.exogenous)
                fault = fault or visited.failure or visited.report.late
        if visited.solution and not (agreement.partial or visited.report.late or went_back):
            self._memory = self._remember(decision, visited)
        return StepReport(updates=self.updates, fault=fault, metrics={**decision.metrics, **metrics, **update.metrics})

    def _agree(self, decision: Decision[SolutionT], memory: Memory | None) -> Protocol[Agreement]:
        """Sum V, Q and the stage cost over the network, and agree on whether all agents have the transition."""
        policy, observation, n_agents = decision.policy, decision.observation, self.consensus.n_agents
        continues = memory is not None and (memory.step, memory.episode) == (observation.step - 1, observation.episode)
        whole = continues and not policy.failure
        valid = float(not policy.failure)
        own = [observation.stage_cost, memory.q_value, 1.0] if memory and whole else [0.0] * 3
        value, valid, cost, q_value, samples = (
            yield from self.consensus.total(np.array([policy.value, valid, *own]))
        ).tolist()
        partial = self.consensus.partial
        # branching needs the exact maximum: averages may be inexact
        told = [not whole, partial or bool(observation.hold), *self._finding()]
        largest = yield from self.consensus.maximum(told)
        (lacking, held), finding = (largest[:2] > 0.5).tolist(), Finding(*largest[2:].tolist())
        self._guarded = finding.holds
        self._holding = held or self._guarded
        evaluated = not (lacking or self._holding)
        td_error = cost + self._discount * value - q_value if evaluated else 0.0
        fault = policy.failure or void_reason(valid, 'a valid evaluation', n_agents)
        if self._guarded and self.guard:
            fault = fault or self.guard.held
        elif self._holding:
            by = 'a neighbour is lost' if partial else 'learning is held by another agent'
            fault = fault or observation.hold or by
        elif not (fault or evaluated) and (continues or samples > 0.5):  # at the start of a run no agent has it
            fault = void_reason(min(samples, n_agents - 1), 'the whole transition', n_agents)
        return Agreement(value, cost, td_error, not lacking, fault, partial, held, finding)

    def _remember(self, decision: Decision[SolutionT], visited: Evaluation[SolutionT]) -> Memory | None:
        """Memory of the transition that begins, for the next step.

        None if a derivative is not finite, which makes the transition void for all agents. Without a learner no
        derivatives are needed.
        """
        derivatives = Sensitivities(np.zeros(0), None)
        if self.learner and visited.solution:
            derivatives = self._learnable.sensitivities(visited.solution, self.learner.second_order)
        numbers = [derivatives.gradient] if derivatives.hessian is None else [derivatives.gradient, derivatives.hessian]
        if not all(np.isfinite(each).all() for each in numbers):
            return None
        return Memory(
            decision.observation.step,
            decision.observation.episode,
            decision.action,
            visited.value,
            derivatives.gradient,
            derivatives.hessian,
        )

    def _perturbed(self, state: np.ndarray, exogenous: np.ndarray | None, direction: np.ndarray) -> SolutionT | None:
        """Solve the local problem again with the perturbed objective.

        The averages and multipliers stay as agreed, so this needs no messages.
        """
        try:
            self._learnable.begin(state, perturbation=direction, exogenous=exogenous)
            self.mpc.solve(self.admm.linear)
            return self.mpc.solution()
        except QpFailure:
            return None

    def _give_up(self, observation: Observation, decision: Decision[SolutionT] | None, reason: str) -> StepReport:
        self._memory = None
        return super()._give_up(observation, decision, reason)
