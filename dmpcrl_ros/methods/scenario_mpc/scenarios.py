"""What scenario-based MPC has of its own: its discount, sampled deviations, and the stiffness of its ADMM."""

from dataclasses import replace

import numpy as np

from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.baseline_models import sample_deviations
from dmpcrl_ros.systems.linear.network import LinearNetwork
from dmpcrl_ros.systems.system import Scenario

# Times the published rho of the learning agents. The multipliers that hold the inputs of all scenarios together are as
# large as the penalties of violated bounds; on the chain 20 to 60 agrees soonest, 1 does not within a thousand rounds.
SCENARIO_STIFFNESS = 40.0


def as_published(network: Scenario) -> Scenario:
    """The network with the discount of the published scenario-based MPC: 1 for linear networks, as it is for grids."""
    if not isinstance(network, LinearNetwork):
        return network
    return replace(network, structure=replace(network.structure, discount=1.0))


def stiffness(network: Scenario) -> float:
    """Factor of the published rho, found by trial: on the four-area grid 1 is nearer to the optimum than 4 to 40."""
    return SCENARIO_STIFFNESS if isinstance(network, LinearNetwork) else 1.0


def deviations(network: Scenario, index: int, settings: Settings) -> np.ndarray:
    """Deviations (S, p) of the scenarios of one agent from its parameters."""
    return sample_deviations(network, index, exact=settings.model == 'exact', count=settings.scenarios,
                             seed=settings.seed)
