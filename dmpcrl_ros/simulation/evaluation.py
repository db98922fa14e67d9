"""Fixed policies compared on the same noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmpcrl_ros.scenarios.scenario import Scenario
from dmpcrl_ros.settings import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop


@dataclass(frozen=True)
class Evaluation:
    """Closed-loop cost sum_t L_t of one policy and seed, and the share of steps with a state out of bounds.

    The cost of a loop that diverged is infinite.
    """

    seed: int
    cost: float
    violated: float


def evaluate(network: Scenario, settings: Settings, thetas: Sequence[np.ndarray] | None, seeds: Sequence[int],
             steps: int) -> list[Evaluation]:
    """Run the agents without learning, from the initial state, once for each noise seed.

    Args:
        thetas: parameters (p_i,) of each agent; None for those before learning.
    """
    found = []
    for seed in seeds:
        loop = ClosedLoop(network, replace(settings, learner='none', seed=seed))
        if thetas is not None:
            for agent, theta in zip(loop.agents, thetas, strict=True):
                agent.mpc.theta = np.asarray(theta)
        try:
            run = list(loop.run(steps))
        except ArithmeticError:
            found.append(Evaluation(seed, np.inf, 1.0))
            continue
        violated = loop.plant.violation(np.array([step.states for step in run])).any(axis=1)
        found.append(Evaluation(seed, float(sum(step.costs.sum() for step in run)), float(violated.mean())))
    return found


def final_parameters(parameters: Mapping[str, tuple], agents: Sequence[str]) -> list[np.ndarray]:
    """The last recorded theta of each agent, from the parameters of a run."""
    return [parameters[name][2][-1] for name in agents]
