# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""States and parameters at which controllers of a network are hard to coordinate, for tests and benchmarks."""

from collections.abc import Iterator

import numpy as np

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.systems.mpc_system import MpcSystem


def hard_states(system: MpcSystem, count: int, seed: int) -> Iterator[list[np.ndarray]]:
    """States of all agents within one and a half times their bounds: many inputs on bounds, many bounds violated.

    Args:
        system: of the agents. Where a state has no bound, 0.5 takes its place.
        count: number of times that states are drawn.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    for _ in range(count):
        states = []
        for local in system.local:
            lower = np.where(np.isfinite(local.state_lower), local.state_lower, -0.5)
            upper = np.where(np.isfinite(local.state_upper), local.state_upper, 0.5)
            states.append(0.5 * (lower + upper) + 0.75 * (upper - lower) * draw.uniform(-1.0, 1.0, len(lower)))
        yield states


def coupled_thetas(system: MpcSystem) -> list[np.ndarray]:
    """Parameters (p,) of each agent with the true model, where the system has one, else the first ones.

    The first model of the chain has no coupling: its controllers need no coordination.
    """
    try:
        return [system.model_parameters(i, exact=True) for i in range(system.n_agents)]
    except NetworkError:
        return [system.parameters(i)[1] for i in range(system.n_agents)]
