# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Values that the parts of a control step of a packed agent pass on."""

from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.core.agent import Observation
from dmpcrl_ros.mpc.coordination import Answer, Outcome

# Names of the evaluations that share the rounds of a step.
VALUE, ACTION_VALUE, EXPLORING = 'V', 'Q', 'exploring'


@dataclass(frozen=True, kw_only=True)
class PackedDecision:
    """Decision of an agent in a step, with the outcome of its rounds.

    Args:
        observation: of the step.
        outcome: of the rounds.
        action: input to be applied (n_u,).
        fallback: whether the action replaces a fresh decision.
        explored: whether this agent perturbed its objective.
        memory: of the transition that ended; None if this agent does not have the whole of it.
    """

    observation: Observation
    outcome: Outcome
    action: np.ndarray
    fallback: bool
    explored: bool
    memory: 'PackedMemory | None'

    @property
    def late(self) -> str:
        """Reason of an end at the deadline; empty otherwise."""
        return self.outcome.late

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics by their names."""
        solution = self.outcome.answers[VALUE].solution
        return {
            'explored': float(self.explored),
            **self.outcome.metrics,
            'certified': float(self.outcome.certified),
            'kkt_residual': solution.kkt_residual if solution else 0.0,
        }


@dataclass(frozen=True, kw_only=True)
class PackedMemory:
    """Memory of the step in which a transition began.

    Args:
        observation: of the step.
        action: (n_u,), decided in the step.
        answer: V(s), which is Q(s, a) too if nobody explored and theta stays; None if it is not usable.
    """

    observation: Observation
    action: np.ndarray
    answer: Answer | None

    def precedes(self, observation: Observation) -> bool:
        """Whether the transition ended in the step of this observation."""
        return (self.observation.step, self.observation.episode) == (observation.step - 1, observation.episode)
