"""The driver that runs the protocols of all agents in one process."""

from collections.abc import Sequence
from typing import Any

from dmpcrl_ros.core.exchange import Exchange, Protocol


class ProtocolMismatch(RuntimeError):
    """Agents that should run the same program do not ask for the same exchange."""


def run_lockstep(programs: Sequence[Protocol[Any]]) -> tuple[list[Any], int]:
    """Drive one protocol per agent, delivering every round at once.

    Returns:
        the results in the order of the agents, and the number of rounds.

    Raises:
        ProtocolMismatch: the programs ask for different exchanges, or for a message that is not sent.
    """
    rounds = 0
    requests, results = _advance(programs, [None] * len(programs))
    while requests is not None:
        rounds += 1
        inboxes = []
        for agent, request in enumerate(requests):
            if request.kind != requests[0].kind:
                raise ProtocolMismatch(f'agent {agent} asks for {request.kind!r}, agent 0 for {requests[0].kind!r}')
            inboxes.append({sender: _deliver(requests[sender], agent, shape)
                            for sender, shape in request.expects.items()})
        requests, results = _advance(programs, inboxes)
    return results, rounds


def _advance(programs: Sequence[Protocol[Any]], inboxes: Sequence[Any]) -> tuple[list[Exchange] | None, list[Any]]:
    """Resume every program; either all of them ask for another exchange, or all of them end with a result."""
    requests, results = [], []
    for program, inbox in zip(programs, inboxes, strict=True):
        try:
            requests.append(program.send(inbox))
        except StopIteration as end:
            results.append(end.value)
    if requests and results:
        raise ProtocolMismatch(f'{len(results)} of {len(programs)} agents ended while the others exchange '
                               f'{requests[0].kind!r}')
    return (requests or None), results


def _deliver(request: Exchange, receiver: int, shape: tuple[int, ...]) -> Any:
    message = request.outbox.get(receiver)
    if message is None or message.shape != shape:
        found = 'nothing' if message is None else f'an array of shape {message.shape}'
        raise ProtocolMismatch(f'agent {receiver} expects {request.kind!r} of shape {shape}, but is sent {found}')
    return message
