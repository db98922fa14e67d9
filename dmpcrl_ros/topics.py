"""Names of topics, which publisher and subscriber must share."""

PLANT_TOPIC = '/plant/run'  # on which plants announce themselves


def exchange_topic(sender: str, receiver: str) -> str:
    """Topic of one directed edge."""
    return f'/{sender}/to/{receiver}'


def ready_topic(name: str) -> str:
    """Latched topic on which an agent or the monitor announces that all its connections are made."""
    return f'/{name}/ready'


def agent_topic(agent: str, name: str) -> str:
    """Topic of one agent: state, action, status or parameters."""
    return f'/{agent}/{name}'


def relayed(topic: str) -> str:
    """Topic on which a relay that injects faults repeats the messages of a topic."""
    return f'/relayed{topic}'
