# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Interfaces of learners and exploration towards an MPC agent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np

from dmpcrl_ros.core.exchange import Protocol


@dataclass(frozen=True)
class Transition:
    """One evaluated transition at one agent.

    Args:
        step: control step in which it ended.
        td_error: delta = L + gamma V(s') - Q(s, a), agreed by all agents.
        gradient: of Q in theta_i, (p,).
        hessian: of the agent's Lagrangian in theta_i at fixed primal-dual point, (p, p), or None if not needed.
    """

    step: int
    td_error: float
    gradient: np.ndarray
    hessian: np.ndarray | None = None


@dataclass(frozen=True)
class Update:
    """Result of learning from a batch.

    Args:
        theta: new parameters (p,); None when nothing was learned.
        fault: reason why nothing was learned; empty without a fault. Either all agents have one, or none.
        metrics: values of the metrics about the update.
    """

    theta: np.ndarray | None = None
    fault: str = ''
    metrics: Mapping[str, float] = field(default_factory=dict)


class Learner(Interface):
    """Rule by which theta is updated. All agents observe the same transitions and update at the same steps.

    Attributes:
        second_order: whether transitions need second derivatives.
    """

    second_order: bool

    def observe(self, transition: Transition) -> None:
        """Keep a transition that all agents agreed to be valid."""

    def due(self, step: int) -> bool:
        """Whether to update in this control step; all agents get the same answer."""

    def update(self, step: int, theta: np.ndarray) -> Protocol[Update]:
        """Update theta (p,) in a control step that is due."""

    def reset(self) -> None:
        """Forget the transitions."""

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """Arrays of the transitions that may be drawn again."""

    def read_snapshot(self, arrays: Mapping[str, np.ndarray], size: int) -> Sequence[Transition]:
        """The transitions of a snapshot, for theta of `size` elements, oldest first.

        Raises:
            SnapshotError: the arrays do not fit.
        """


class Explorer(Interface):
    """Rule by which agents perturb their objective.

    Attributes:
        agent: index of this agent.
    """

    agent: int

    def coins(self, step: int) -> np.ndarray:
        """Mask (n_agents,) of the agents that explore in this step; all agents get the same."""

    def direction(self, step: int) -> np.ndarray:
        """Perturbation q (n_u,) of this agent's objective: q'u(0) is added."""
