# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Values that pass from one part of a control step of an MPC agent to the next, and what is reported of them."""

from dataclasses import dataclass
from typing import Generic

import numpy as np

from dmpcrl_ros.core.agent import Observation
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.mpc.admm import AdmmReport
from dmpcrl_ros.mpc.evaluation import Evaluation
from dmpcrl_ros.mpc.interface import SolutionT

_SAME = 1e-9  # relative to the action: what was scaled for an actuator and back is still the same

METRICS = (
    Metric(name='value', meaning='V(s) of the whole network, agreed by consensus'),
    Metric(name='td_error', meaning='TD error of the transition that ended in this step', column='ended'),
    Metric(name='cost', meaning='stage cost of the network in that transition'),
    Metric(name='explored', meaning='whether the agent perturbed its objective', column='begun', flag=True),
    Metric(name='admm_iterations', meaning='iterations of ADMM until the action'),
    Metric(name='primal_residual', meaning='of ADMM: copies of this agent against the averages'),
    Metric(name='dual_residual', meaning='of ADMM: change of the averages'),
    Metric(name='kkt_residual', meaning='of the local problem: largest violation of its optimality conditions'),
)


@dataclass(frozen=True)
class Decision(Generic[SolutionT]):
    """Decision of an agent in a step, with its grounds.

    Args:
        observation: of the step.
        policy: evaluation of V(s).
        action: (n_u,), to be applied.
        explored: whether this agent perturbed its objective.
        anyone_explores: whether some agent did.
    """

    observation: Observation
    policy: Evaluation[SolutionT]
    action: np.ndarray
    explored: bool
    anyone_explores: bool


@dataclass(frozen=True)
class Agreement:
    """Agreement of all agents about the transition that ended.

    Args:
        value: V(s) of the network.
        cost: stage cost of the network.
        td_error: delta; 0 where it was not evaluated.
        evaluated: whether every agent has the whole transition, and nobody holds learning.
        fault: why it was not evaluated, where it should have been.
        partial: whether this agent did without a lost neighbour: these are no numbers of the whole network.
    """

    value: float
    cost: float
    td_error: float
    evaluated: bool
    fault: str
    partial: bool


@dataclass(frozen=True)
class Memory:
    """Memory of the step in which a transition began.

    Args:
        step: number of the step.
        episode: in which it was.
        action: (n_u,).
        q_value: this agent's part of Q(s, a).
        gradient: of its part in theta_i (p,).
        hessian: of its Lagrangian in theta_i (p, p); None where it is not needed.
    """

    step: int
    episode: int
    action: np.ndarray
    q_value: float
    gradient: np.ndarray
    hessian: np.ndarray | None

    def was_applied(self, observation: Observation) -> bool:
        """Whether the action reached the plant as it was. Nothing is learned from one that was limited or replaced."""
        if observation.applied is None or observation.step != self.step + 1:
            return True
        scale = np.maximum(np.abs(self.action), 1.0)
        return bool((np.abs(observation.applied - self.action) <= _SAME * scale).all())


def decision_metrics(decision: Decision[SolutionT]) -> dict[str, float]:
    """Metrics of a decision by their names."""
    policy = decision.policy
    return {
        'explored': float(decision.explored),
        **_residuals(policy.report),
        'kkt_residual': policy.solution.kkt_residual if policy.solution else 0.0,
    }


def _residuals(report: AdmmReport) -> dict[str, float]:
    return {
        'admm_iterations': float(report.iterations),
        'primal_residual': report.primal_residual,
        'dual_residual': report.dual_residual,
    }


def agreement_metrics(agreement: Agreement) -> dict[str, float]:
    """Metrics of an agreement by their names."""
    evaluated = {'td_error': agreement.td_error} if agreement.evaluated else {}
    return {'value': agreement.value, 'cost': agreement.cost, **evaluated}


def void_reason(count: float, what: str, n_agents: int) -> str:
    """Reason why a transition is void, if fewer than all agents had what it takes; empty otherwise."""
    return '' if count > n_agents - 0.5 else f'void: only {count:.0f} of {n_agents} agents had {what}'
