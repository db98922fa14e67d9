"""Names of topics, which publisher and subscriber must share."""

PLANT_TOPIC = '/plant/run'  # on which plants tell of themselves


def exchange_topic(sender: str, receiver: str) -> str:
    """Topic of one directed edge."""
    return f'/{sender}/to/{receiver}'


def ready_topic(name: str) -> str:
    """Topic on which an agent or the monitor says, latched, that it is connected to all it needs."""
    return f'/{name}/ready'


def agent_topic(agent: str, name: str) -> str:
    """Topic of one agent: state, action, status or parameters."""
    return f'/{agent}/{name}'


def relayed(topic: str) -> str:
    """Where a relay that injects faults repeats what it heard on a topic."""
    return f'/relayed{topic}'
