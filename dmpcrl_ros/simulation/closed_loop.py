"""Plant and agents in closed loop, in one process; the reference for the same loop over ROS 2."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from dmpcrl_ros.core.exchange import ExchangeTimeout, Protocol
from dmpcrl_ros.core.report import StepReport
from dmpcrl_ros.methods.build import central_agent, distributed_agent
from dmpcrl_ros.methods.q_learning.agent import LearningAgent
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.episodes import Episodes
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.system import Scenario

Driver: TypeAlias = Callable[[Sequence[Protocol[Any]]], tuple[list[Any], int]]  # results, rounds


@dataclass(frozen=True)
class Step:
    """One transition of the closed loop: s_t, a_t, L_t and, known one step later, the TD error.

    Args:
        step: t. states (n,) and actions (m,): stacked over agents. costs: L_i (n_agents,).
        td_error: delta_t; NaN where none was evaluated.
        explored: whether an agent perturbed its objective to find a_t.
        rounds: communication rounds of control step t.
        faults: what went wrong in evaluating this transition, one text per agent; empty when all went well.
    """

    step: int
    states: np.ndarray
    actions: np.ndarray
    costs: np.ndarray
    td_error: float
    explored: bool
    rounds: int
    faults: tuple[str, ...]


def control_step(agent: LearningAgent, step: int, episode: int, state: np.ndarray, exogenous: np.ndarray,
                 stage_cost: float) -> Protocol[tuple[np.ndarray, StepReport]]:
    """Input (n_u,) and report of one agent: it acts and then learns, unless a neighbour is lost on the way."""
    try:
        action = yield from agent.act(step, state, exogenous)
    except ExchangeTimeout as timeout:
        agent.abandon()
        return agent.fallback(), StepReport(updates=agent.updates, fault=str(timeout))
    try:
        return action, (yield from agent.learn(step, episode, stage_cost))
    except ExchangeTimeout as timeout:
        agent.abandon()
        return action, StepReport(updates=agent.updates, fault=str(timeout))


class ClosedLoop:
    """A scenario with its agents, stepped in lockstep.

    Args:
        network: the scenario.
        settings: of the run.
        central: control with the centralised twin instead of the agents.
        drive: what drives the protocols of all agents through one control step.
    """

    def __init__(self, network: Scenario, settings: Settings, central: bool = False, drive: Driver = run_lockstep):
        self.network = network
        self.plant = network.plant(settings.seed)
        self.agents: list[LearningAgent] = (
            [central_agent(network, settings)] if central
            else [distributed_agent(network, i, settings) for i in range(network.n_agents)])
        self._central, self._drive = central, drive

    def run(self, steps: int) -> Iterator[Step]:
        """Transitions 0 to steps - 1. The agents take one step more, to evaluate and learn from the last of them."""
        episodes, begun = Episodes(self.network, self.plant), None
        for step in range(steps + 1):
            seen = episodes.observe()
            results, rounds = self._drive(
                [control_step(agent, step, seen.episode, state, exogenous, float(cost.sum()))
                 for agent, state, exogenous, cost in zip(self.agents, *map(
                     self._shared, (seen.states, seen.exogenous, seen.costs[:, None])), strict=True)])
            actions, reports = zip(*results, strict=True)
            if begun is not None:
                yield self._transition(begun, seen.costs, reports)
            if step < steps:
                episodes.apply(actions)
                begun = (seen, np.concatenate(actions), reports, rounds)

    def _shared(self, parts: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """What each controller is given of what there is for each agent."""
        return [np.concatenate(parts)] if self._central else parts

    @staticmethod
    def _transition(begun: tuple, costs: np.ndarray, reports: Sequence[StepReport]) -> Step:
        seen, actions, first, rounds = begun
        td_error = reports[0].td_error if reports[0].evaluated else np.nan
        return Step(seen.step, np.concatenate(seen.states), actions, costs, td_error,
                    any(r.explored for r in first), rounds, tuple(r.fault for r in reports))
