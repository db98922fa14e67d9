# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Names of topics, common to publishers and subscribers.

All names are relative to the namespace of the system, which all its nodes share.
"""

PLANT, MONITOR = 'plant', 'monitor'  # members of a system besides the agents; a bridge also counts as a plant


def exchange_topic(sender: str, receiver: str) -> str:
    """Topic of one directed edge."""
    return f'{sender}/to/{receiver}'


def presence_topic(member: str) -> str:
    """Latched topic on which a member of the system (an agent, the plant, the monitor) announces itself."""
    return f'{member}/presence'


def agent_topic(agent: str, name: str) -> str:
    """Topic of one agent: state, action, status or parameters."""
    return f'{agent}/{name}'


def relayed(topic: str) -> str:
    """Topic on which a relay that injects faults repeats the messages of a topic."""
    return f'relayed/{topic}'
