# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Values that the parts of a control step of an MPC agent pass on, and the metrics made of them."""

from dataclasses import dataclass
from typing import Generic

import numpy as np

from dmpcrl_ros.core.agent import Observation
from dmpcrl_ros.methods.guard import Finding
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.mpc.admm import residual_metrics
from dmpcrl_ros.mpc.evaluation import Evaluation
from dmpcrl_ros.mpc.interface import SolutionT

_SAME = 1e-9  # relative to the action: scaling for an actuator and back changes it by rounding

METRICS = (
    Metric(name='value', meaning='V(s) of the whole network, agreed by consensus'),
    Metric(name='td_error', meaning='TD error of the transition that ended in this step', column='ended'),
    Metric(name='cost', meaning='stage cost of the network in that transition'),
    Metric(name='explored', meaning='whether the agent perturbed its objective', column='begun', flag=True),
    Metric(name='admm_iterations', meaning='iterations of ADMM until the action'),
    Metric(name='primal_residual', meaning='of ADMM: copies of this agent against the averages'),
    Metric(name='dual_residual', meaning='of ADMM: change of the averages'),
    Metric(name='coordination_rounds', meaning='message rounds until the action, of packed coordination'),
    Metric(
        name='coordination_change',
        meaning='largest change of any agent in the last agreed round; with ADMM, largest residual of the agent',
        column='begun',
    ),
    Metric(
        name='certified',
        meaning='whether all agents know that they have the solution of the whole network',
        column='begun',
        flag=True,
    ),
    Metric(
        name='learning_held',
        meaning='whether learning is held because it does harm, or too few steps give a transition to learn from',
        column='ended',
        flag=True,
    ),
    Metric(name='kkt_residual', meaning='of the local problem: largest violation of its optimality conditions'),
)


@dataclass(frozen=True)
class Decision(Generic[SolutionT]):
    """Decision of an agent in a step, with the evaluation behind it.

    Args:
        observation: of the step.
        policy: evaluation of V(s).
        action: input to be applied (n_u,).
        explored: whether this agent perturbed its objective.
        anyone_explores: whether any agent of the network did.
    """

    observation: Observation
    policy: Evaluation[SolutionT]
    action: np.ndarray
    explored: bool
    anyone_explores: bool

    @property
    def fallback(self) -> bool:
        """Whether the action replaces a fresh decision."""
        return self.policy.solution is None

    @property
    def late(self) -> str:
        """Reason of an end of ADMM before its last iteration; empty for a complete run."""
        return self.policy.report.late

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics by their names."""
        return {
            'explored': float(self.explored),
            **residual_metrics([self.policy.report]),
            'certified': float(self.policy.report.converged and not self.policy.report.failure),
            'kkt_residual': self.policy.solution.kkt_residual if self.policy.solution else 0.0,
        }


@dataclass(frozen=True)
class Agreement:
    """Agreement of all agents about the transition that ended.

    Args:
        value: V(s) of the network.
        cost: stage cost of the network.
        td_error: delta; 0 where it was not evaluated.
        complete: whether every agent has the whole transition.
        fault: reason why the transition could not be evaluated; empty without a fault.
        partial: whether a lost neighbour was left out: the numbers then do not belong to the whole network.
        held: whether an operator or a lost neighbour holds learning.
        finding: on which the guards of all agents agreed.
    """

    value: float
    cost: float
    td_error: float
    complete: bool
    fault: str
    partial: bool
    held: bool
    finding: Finding

    @property
    def guarded(self) -> bool:
        """Whether a guard holds learning."""
        return self.finding.holds

    @property
    def evaluated(self) -> bool:
        """Whether every agent has the whole transition, and learning is not held."""
        return self.complete and not (self.held or self.guarded)


@dataclass(frozen=True)
class Memory:
    """Memory of the step in which a transition began.

    Args:
        step: number of the step.
        episode: number of its episode.
        action: (n_u,).
        q_value: this agent's part of Q(s, a).
        gradient: of its part in theta_i (p,).
        hessian: of its Lagrangian in theta_i (p, p); None if it is not needed.
    """

    step: int
    episode: int
    action: np.ndarray
    q_value: float
    gradient: np.ndarray
    hessian: np.ndarray | None

    def was_applied(self, observation: Observation) -> bool:
        """Whether the plant applied this action, or the observation belongs to another step."""
        return observation.step != self.step + 1 or was_applied(self.action, observation)


def was_applied(action: np.ndarray, observation: Observation) -> bool:
    """Whether the plant applied this action. Agents do not learn from a limited or replaced one."""
    if observation.applied is None:
        return True
    scale = np.maximum(np.abs(action), 1.0)
    return bool((np.abs(observation.applied - action) <= _SAME * scale).all())


def agreement_metrics(agreement: Agreement) -> dict[str, float]:
    """Metrics of an agreement by their names."""
    evaluated = {'td_error': agreement.td_error} if agreement.evaluated else {}
    held = {'learning_held': float(agreement.guarded)}
    return {'value': agreement.value, 'cost': agreement.cost, **evaluated, **held}


def joined(*faults: str) -> str:
    """One text of several faults, those that are empty left out."""
    return '; '.join(filter(None, faults))


def void_reason(count: float, what: str, n_agents: int) -> str:
    """Reason why a transition is void if fewer than all agents had a part of it; empty otherwise.

    Where a neighbour is lost the count is inexact, and may even be negative.
    """
    return '' if count > n_agents - 0.5 else f'void: only {max(count, 0.0):.0f} of {n_agents} agents had {what}'
