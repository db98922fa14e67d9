# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Interface of an agent, the same for all methods."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol as Interface
from typing import TypeAlias

import numpy as np

from dmpcrl_ros.core.exchange import Act, Exchange, Inbox
from dmpcrl_ros.core.graph import Edge
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.spaces import Space


@dataclass(frozen=True, kw_only=True)
class AgentSpec:
    """Public description of an agent.

    Args:
        name: unique in its system; its ROS namespace.
        state: space of its state.
        action: space of its action.
        exogenous: space of the input that it gets in each step besides its state, such as a load or a set point.
        safe_action: (n_u,), applied where there is no decision.
    """

    name: str
    state: Space
    action: Space
    exogenous: Space
    safe_action: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Information that one agent gets at the start of a control step.

    Args:
        step: number of control steps since the start of the run.
        episode: number of the episode; agents learn only from transitions within one.
        state: (n_x,).
        exogenous: (n_d,).
        stage_cost: of the agent, in the transition that ended.
        applied: action (n_u,) that was applied in that transition; None at the first step.
        hold: reason not to learn in this step; empty to learn.
        cut: edges of the communication graph without which this step is done; the same for all agents that reach one
            another.
    """

    step: int
    episode: int
    state: np.ndarray
    exogenous: np.ndarray
    stage_cost: float
    applied: np.ndarray | None = None
    hold: str = ''
    cut: frozenset[Edge] = frozenset()


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """Outcome of one control step at one agent.

    Args:
        updates: number of updates of the parameters so far.
        fault: reason why nothing was learned in this step; empty after a step without a fault.
        metrics: values of the metrics that the method declares; those missing were not evaluated.
    """

    updates: int = 0
    fault: str = ''
    metrics: Mapping[str, float] = field(default_factory=dict)


StepProgram: TypeAlias = Generator[Exchange | Act, Inbox | None, StepReport]


class SnapshotError(ValueError):
    """The arrays of a snapshot do not belong to this agent; the message says which and why."""


def snapshot_array(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of a snapshot.

    Raises:
        SnapshotError: it is missing, of another shape, or not finite.
    """
    if name not in arrays:
        raise SnapshotError(f'it has no {name}')
    if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
        raise SnapshotError(f'its {name} is of the wrong size or not finite')
    return arrays[name]


class Agent(Interface):
    """One agent of a method.

    Attributes:
        layout: names of the slices of theta.
        theta: parameters (p,), recorded after each update; a method may have none.
        updates: number of updates so far.
    """

    layout: ParameterLayout
    theta: np.ndarray
    updates: int

    def begin_run(self) -> None:
        """Forget the state of the former run; keep what has been learned."""

    def step(self, observation: Observation) -> StepProgram:
        """Run one control step: exchange, yield one Act, exchange, learn.

        The program handles ExchangeTimeout and DeadlineReached, which the engine raises inside it at an exchange.
        """

    def reset(self) -> None:
        """Forget everything learned."""

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """Arrays for a checkpoint. The agent does not change them afterwards."""

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue from a snapshot.

        Raises:
            SnapshotError: the arrays do not fit this agent; nothing has changed.
        """
