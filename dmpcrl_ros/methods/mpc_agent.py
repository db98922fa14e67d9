# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The life of an agent of distributed MPC: parameters, checkpoints, and the frame of a control step.

The subclasses say in which rounds the agent decides and learns.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from typing import Protocol as Interface

import numpy as np

from dmpcrl_ros.core.agent import Observation, SnapshotError, StepProgram, StepReport, snapshot_array
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Act, Exchange, ExchangeTimeout, Protocol
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.methods.fallback_plan import FallbackPlan
from dmpcrl_ros.methods.guard import Finding, Guard
from dmpcrl_ros.methods.learner import Explorer, Learner, Update
from dmpcrl_ros.mpc.interface import Mpc, SolutionT
from dmpcrl_ros.mpc.solver import QpFailure


class StepDecision(Interface):
    """Decision of an agent in a step."""

    @property
    def action(self) -> np.ndarray:
        """Input to be applied (n_u,)."""

    @property
    def fallback(self) -> bool:
        """Whether the action replaces a fresh decision."""

    @property
    def late(self) -> str:
        """Reason why the rounds ended before their end; empty otherwise."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics by their names."""


DecisionT = TypeVar('DecisionT', bound=StepDecision)
_NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, kw_only=True)
class Learning:
    """Parts of an agent that learns; without them it acts with its present parameters.

    Args:
        learner: None to act without learning.
        exploration: None to follow the policy.
        guard: over the learning; None to learn whatever happens.
    """

    learner: Learner | None = None
    exploration: Explorer | None = None
    guard: Guard | None = None


@dataclass(frozen=True, kw_only=True)
class AgentParts(Generic[SolutionT]):
    """Parts of an agent, whatever its coordination.

    Args:
        mpc: problem of the agent; a LearnableMpc if there is a learner or exploration.
        consensus: agreement over the network.
        plan: inputs for steps without a fresh decision.
        discount: gamma.
        learning: of its parameters.
    """

    mpc: Mpc[SolutionT]
    consensus: Consensus
    plan: FallbackPlan
    discount: float
    learning: Learning = field(default_factory=Learning)


class MpcAgent(ABC, Generic[SolutionT, DecisionT]):
    """Agent i of a network of MPC, with or without a learner."""

    def __init__(self, parts: AgentParts[SolutionT]):
        self.mpc = parts.mpc
        self.consensus = parts.consensus
        self.learner = parts.learning.learner
        self.exploration = parts.learning.exploration
        self.guard = parts.learning.guard
        self.updates = 0
        self._plan, self._discount = parts.plan, parts.discount
        self._initial_theta = parts.mpc.theta
        self.begin_run()

    @property
    def layout(self) -> ParameterLayout:
        """Names of the slices of theta."""
        return self.mpc.layout

    @property
    def theta(self) -> np.ndarray:
        """Parameters (p,), read-only; assign a new vector to change them.

        If the problem has no solution with the new ones, the assignment raises QpFailure and the old ones stay in
        force.
        """
        return self.mpc.theta

    @theta.setter
    def theta(self, theta: np.ndarray) -> None:
        self.mpc.theta = theta
        if self.guard:
            self.guard.begin(self.mpc.theta)

    def reset(self) -> None:
        """Forget everything learned: initial parameters, no memory."""
        self.mpc.theta, self.updates = self._initial_theta, 0
        self.begin_run()

    def begin_run(self) -> None:
        """Forget the state of the former run; the parameters stay."""
        self._holding = False  # an agent held learning in the former step
        self._guarded = False  # a guard did
        self._early: Act | None = None  # of this step, if its rounds went on after it
        self._episode: int | None = None  # of the last step that the guard has noted
        self._plan.reset()
        if self.learner:
            self.learner.reset()
        if self.guard:
            self.guard.begin(self.mpc.theta)

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """theta (p,), the number of updates, the replayed transitions, and the last good parameters (p,) of a guard."""
        learned = dict(self.learner.snapshot()) if self.learner else {}
        if self.guard:
            step, learned['good'] = self.guard.good
            learned['good_step'] = np.array(step)
        return {'theta': self.mpc.theta, 'updates': np.array(self.updates), **learned}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue from a snapshot.

        Raises:
            SnapshotError: an array is missing, of the wrong size or not finite, or the problem has no solution with
                these parameters; nothing has changed.
        """
        theta = snapshot_array(arrays, 'theta', (self.layout.size,))
        updates = snapshot_array(arrays, 'updates', ())
        kept = 'good' in arrays  # not in those of a learner without a guard
        good = snapshot_array(arrays, 'good', (self.layout.size,)) if kept else theta
        good_step = int(snapshot_array(arrays, 'good_step', ())) if kept else 0
        replayed = self.learner.read_snapshot(arrays, self.layout.size) if self.learner else ()
        before = self.mpc.theta
        try:
            self.mpc.theta = good.astype(float)  # which the guard may need
            self.mpc.theta = theta.astype(float)
        except QpFailure as failure:
            self.mpc.theta = before
            raise SnapshotError(str(failure)) from None
        self.begin_run()
        self.updates = int(updates)
        if self.guard:
            self.guard.begin(good.astype(float), good_step)
        if self.learner:
            for transition in replayed:
                self.learner.observe(transition)

    def step(self, observation: Observation) -> StepProgram:
        """Act, agree on the transition that ended, learn from it, and remember the one that begins."""
        decision, self._early = None, None
        try:
            decision = yield from self._decide(observation)
            if self._early is None:
                yield Act(decision.action, fallback=decision.fallback)
            if decision.late:
                return self._give_up(observation, decision, decision.late)
            return (yield from self._learn(decision))
        except ExchangeTimeout as timeout:
            reason = str(timeout)
        if decision is None and self._early is None:
            yield Act(self.fallback(), fallback=True)
        return self._give_up(observation, decision, reason)

    def fallback(self) -> np.ndarray:
        """Input (n_u,) for a step without a fresh decision."""
        return self._plan.follow()

    @abstractmethod
    def _decide(self, observation: Observation) -> Generator[Exchange | Act, Any, DecisionT]:
        """Find the action of the step; if it has been yielded already, `_early` is its Act."""

    @abstractmethod
    def _learn(self, decision: DecisionT) -> Protocol[StepReport]:
        """Learn from the transition that ended in this step, and remember the one that begins."""

    def _give_up(self, observation: Observation, decision: DecisionT | None, reason: str) -> StepReport:
        """End the step without learning from the transition that ended or the one that begins."""
        self._note(observation, void=True)
        return StepReport(updates=self.updates, fault=reason, metrics=decision.metrics if decision else {})

    def _note(self, observation: Observation, *, void: bool, metrics: Mapping[str, float] = _NOTHING) -> None:
        """Give the evidence of a step to the guard, unless learning is held by others or an episode begins."""
        begins, self._episode = observation.episode != self._episode, observation.episode
        if self.guard and not (begins or observation.hold or observation.cut):
            self.guard.note(void=void, cost=metrics.get('cost'), td_error=metrics.get('td_error'))

    def _finding(self) -> Finding:
        """Finding of the guard, for the maximum over all agents."""
        return self.guard.finding if self.guard else Finding()

    def _heed(self, step: int, finding: Finding) -> bool:
        """Follow a finding on which all agents agreed: whether theta has changed."""
        if self.guard is None:
            return False
        theta = self.guard.heed(step, self.mpc.theta, finding)
        if np.array_equal(theta, self.mpc.theta):
            return False
        self.mpc.theta = theta
        self.updates += 1
        if self.learner:
            self.learner.reset()
        return True

    def _update(self, learner: Learner, step: int) -> Protocol[Update]:
        """Update theta at all agents, or at none if the problem of one has no solution with its update."""
        before, update = self.mpc.theta, (yield from learner.update(step, self.mpc.theta))
        if update.fault:
            return update
        refusal = ''
        if update.theta is not None:
            try:
                self.mpc.theta = update.theta
            except QpFailure as failure:
                refusal = f'update refused: {failure}'
        refused = True
        try:
            (refused,) = yield from self.consensus.maximum([bool(refusal)])
        finally:  # also when a neighbour is lost in these rounds
            if refused and self.mpc.theta is not before:
                self.mpc.theta = before
        if refused:
            return replace(update, fault=refusal or 'update refused by another agent')
        self.updates += update.theta is not None
        return update
