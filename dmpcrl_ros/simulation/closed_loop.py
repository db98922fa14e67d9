"""Plant and agents in closed loop, in one process; the reference for the same loop over ROS 2."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.controllers.build import central_agent, distributed_agent
from dmpcrl_ros.controllers.learning_agent import LearningAgent, StepReport
from dmpcrl_ros.scenarios.scenario import Scenario
from dmpcrl_ros.settings import Settings
from dmpcrl_ros.simulation.lockstep import run_lockstep


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


class ClosedLoop:
    """A scenario with its agents, stepped in lockstep.

    Args:
        network: the scenario.
        settings: of the run.
        central: control with the centralised twin instead of the agents.
    """

    def __init__(self, network: Scenario, settings: Settings, central: bool = False):
        self.network = network
        self.plant = network.plant(settings.seed)
        self.agents: list[LearningAgent] = (
            [central_agent(network, settings)] if central
            else [distributed_agent(network, i, settings) for i in range(network.n_agents)])
        self._central = central

    def run(self, steps: int) -> Iterator[Step]:
        """Transitions 0 to steps - 1. The agents take one step more, to evaluate and learn from the last of them."""
        costs, begun = np.zeros(self.network.n_agents), None
        for step in range(steps + 1):
            states = self.plant.state.copy()
            actions, act_rounds = run_lockstep(
                [agent.act(step, state) for agent, state in zip(self.agents, self._observed(states), strict=True)])
            reports, learn_rounds = run_lockstep(
                [agent.learn(step, 0, cost) for agent, cost in zip(self.agents, self._shared(costs), strict=True)])
            if begun is not None:
                yield self._transition(begun, reports)
            if step < steps:
                costs = self.plant.step(actions)
                begun = (step, states, np.concatenate(actions), costs, reports, act_rounds + learn_rounds)

    def _observed(self, states: np.ndarray) -> Sequence[np.ndarray]:
        return [states] if self._central else [states[part] for part in self.network.state_parts]

    def _shared(self, costs: np.ndarray) -> Sequence[float]:
        return [float(costs.sum())] if self._central else costs.tolist()

    @staticmethod
    def _transition(begun: tuple, reports: Sequence[StepReport]) -> Step:
        step, states, actions, costs, first, rounds = begun
        td_error = reports[0].td_error if reports[0].evaluated else np.nan
        return Step(step, states, actions, costs, td_error, any(r.explored for r in first), rounds,
                    tuple(r.fault for r in reports))
