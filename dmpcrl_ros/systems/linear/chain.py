# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The academic chain of papers 001 and 000: agents in a row, each coupled to the next.

See section 6.1 of 001 and section 2.3 of 000. The constants are those of the released programs, which produce the
published curves. Comments mark those that differ in a paper.
"""

from dataclasses import dataclass
from typing import Any

from dmpcrl_ros.core.graph import NetworkError, path_graph
from dmpcrl_ros.core.settings import setting
from dmpcrl_ros.systems.linear.description import from_description
from dmpcrl_ros.systems.linear.network import LinearNetwork

_COUPLING = [[0.0, 0.0], [0.0, -0.1]]
_UNKNOWN = [[0.0, 0.0], [0.0, 0.0]]

_VARIANTS: dict[str, dict[str, Any]] = {
    'mallick2024': {
        'mpc': {'horizon': 10, 'discount': 0.9, 'first_bounded_stage': 1},
        'violation': [120.0, 120.0],  # the paper prints 100, and no factor 1/2 in the cost
        'parameters': {'x_ub': [1.0, 0.0]},  # the paper starts it at zero
        'learning': {
            'rho': 0.5,
            'admm_iterations': 50,
            'learning_rate': 6e-5,
            'learning_rate_decay': 0.9996,
            'update_every': 2,
            'second_order_rate': 1e-2,  # not in a paper: chosen with the training seeds 11 and 12
            'replay_capacity': 100,
            'replay_sample': 15,
            'replay_latest': 10,
            'exploration_probability': 0.7,
            'exploration_decay': 0.99,
            'exploration_strength': 1.0,
        },
    },
    'mallick2025': {
        'mpc': {
            'horizon': 10,
            'discount': 0.9,
            'first_bounded_stage': 0,
            'terminal_cost': True,
            'learn_weights': True,
            'scalar_coupling': True,
        },
        'violation': [500.0, 500.0],
        'parameters': {},
        'learning': {
            'rho': 1.0,
            'admm_iterations': 100,
            'learning_rate': 1e-8,
            'second_order_rate': 1e-4,
            'regularisation': 1e-3,
            'update_every': 1,
            'replay_capacity': 100,
            'replay_sample': 15,
            'replay_latest': 10,
        },
    },
}
VARIANTS = tuple(_VARIANTS)


def description(n_agents: int = 3, variant: str = 'mallick2024') -> dict[str, Any]:
    """Description of the chain as a YAML network, a template for other networks.

    Raises:
        NetworkError: there are no agents, or the variant is unknown.
    """
    if variant not in _VARIANTS:
        raise NetworkError(f'the chain has no variant {variant!r}; it has {", ".join(VARIANTS)}')
    constants = _VARIANTS[variant]
    names = [f'agent_{i + 1}' for i in range(n_agents)]
    agents = []
    for name, used in zip(names, path_graph(n_agents).parents, strict=True):
        agent = {
            'name': name,
            'dynamics': {
                'A': [[0.9, 0.35], [0.0, 1.1]],
                'B': [[0.0813], [0.2]],
                'neighbours': {names[j]: _COUPLING for j in used},
            },
            'model': {
                'A': [[1.0, 0.25], [0.0, 1.0]],
                'B': [[0.0312], [0.25]],
                'neighbours': {names[j]: _UNKNOWN for j in used},
            },
            'uncertainty': {
                'lower': {
                    'A': [[-0.1, -0.1], [0.0, -0.1]],
                    'B': [[0.0], [-0.075]],
                    'neighbours': {names[j]: _COUPLING for j in used},
                },
                'upper': {
                    'A': [[0.1, 0.1], [0.0, 0.1]],
                    'B': [[0.075], [0.0]],
                    'neighbours': {names[j]: _UNKNOWN for j in used},
                },
            },
            'noise': {'lower': [-0.1, 0.0], 'upper': [0.0, 0.0]},
            'initial_state': [0.0, 0.15],
            'bounds': {
                'state': {'lower': [0.0, -1.0], 'upper': [1.0, 1.0]},
                'input': {'lower': [-1.0], 'upper': [1.0]},
            },
            'cost': {'state': [1.0, 1.0], 'input': [0.5], 'violation': constants['violation']},
            'parameters': constants['parameters'],
        }
        if variant == 'mallick2025':
            agent['coupling_pattern'] = {names[j]: [[0.0, 0.0], [0.0, 1.0]] for j in used}
        agents.append(agent)
    return {'name': f'chain-{variant}', 'mpc': constants['mpc'], 'learning': constants['learning'], 'agents': agents}


def chain(n_agents: int = 3, variant: str = 'mallick2024') -> LinearNetwork:
    """Network of the chain (see `description`)."""
    return from_description(description(n_agents, variant))


@dataclass(frozen=True, kw_only=True)
class ChainSettings:
    """Settings of the chain."""

    agents: int = setting(
        3, 'number of agents; more agents need more messages and a longer consensus', minimum=1, maximum=1000
    )
    variant: str = setting('mallick2024', 'paper that defines the chain and its constants', choices=VARIANTS)


class Chain:
    """Source of the chain."""

    name = 'chain'
    title = 'agents in a row, each coupled to the next, of papers 001 (mallick2024) and 000 (mallick2025)'
    settings = ChainSettings

    def make(self, settings: ChainSettings) -> LinearNetwork:
        """Network of these settings."""
        return chain(settings.agents, settings.variant)


CHAIN = Chain()
