# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Driver of the programs of all agents in one process, the small independent reference for the other drivers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dmpcrl_ros.core.agent import StepProgram, StepReport
from dmpcrl_ros.core.exchange import Act, Exchange, ProgramError, Protocol

_MOST_ROUNDS = 2_000_000  # of one step; a program with more of them counts as endless


class ProtocolMismatch(ProgramError):
    """The programs do not fit together: one expects a message that another does not send."""


class StepOutcome(NamedTuple):
    """Acts and reports of all agents in one control step, and the number of rounds."""

    acts: list[Act]
    reports: list[StepReport]
    rounds: int


def step_in_lockstep(programs: Sequence[StepProgram]) -> StepOutcome:
    """Drive one control step of all agents.

    Raises:
        ProtocolMismatch: the programs do not fit together, or one has not acted, or acts twice.
    """
    acts: dict[int, Act] = {}
    reports, rounds = run_lockstep(programs, acts)
    if missing := sorted(set(range(len(programs))) - set(acts)):
        raise ProtocolMismatch(f'agent {missing[0]} ended its step without an action')
    return StepOutcome([acts[agent] for agent in range(len(programs))], reports, rounds)


def run_lockstep(
    programs: Sequence[Protocol[Any] | StepProgram], acts: dict[int, Act] | None = None
) -> tuple[list[Any], int]:
    """Drive one program for each agent, and deliver every round at once.

    Args:
        programs: of all agents.
        acts: receives the acts of the agents by index; None for programs that only exchange.

    Returns:
        Results in the order of the agents, and the number of rounds.

    Raises:
        ProtocolMismatch: a program expects a message that is not sent, or one of another kind or shape.
    """
    rounds, acts = 0, {} if acts is None else acts
    requests, results = _advance(programs, [None] * len(programs), acts)
    while requests is not None:
        rounds += 1
        if rounds > _MOST_ROUNDS:
            raise ProtocolMismatch(f'the programs still exchange {requests[0].kind!r} after {_MOST_ROUNDS} rounds')
        kind, inboxes = requests[0].kind, []
        for agent, request in enumerate(requests):
            if request.kind != kind:
                raise ProtocolMismatch(f'agent {agent} requests {request.kind!r}, agent 0 {kind!r}')
            inbox = {sender: _deliver(requests[sender], agent, shape) for sender, shape in request.expects.items()}
            if request.optional:
                inbox |= {
                    sender: _deliver(requests[sender], agent, shape)
                    for sender, shape in request.optional.items()
                    if agent in requests[sender].outbox
                }
            inboxes.append(inbox)
        requests, results = _advance(programs, inboxes, acts)
    return results, rounds


def _advance(
    programs: Sequence[Any], inboxes: Sequence[Any], acts: dict[int, Act]
) -> tuple[list[Exchange] | None, list[Any]]:
    """Resume every program. Either all of them request another exchange, or all of them end with a result."""
    requests, results = [], []
    for agent, (program, inbox) in enumerate(zip(programs, inboxes, strict=True)):
        try:
            request = program.send(inbox)
            while isinstance(request, Act):
                if agent in acts:
                    raise ProtocolMismatch(f'agent {agent} acts twice in one step')
                acts[agent] = request
                request = next(program)
            requests.append(request)
        except StopIteration as end:
            results.append(end.value)
    if requests and results:
        raise ProtocolMismatch(
            f'{len(results)} of {len(programs)} agents ended while the others exchange {requests[0].kind!r}'
        )
    return (requests or None), results


def _deliver(request: Exchange, receiver: int, shape: tuple[int, ...]) -> Any:
    message = request.outbox.get(receiver)
    if message is None or message.shape != shape:
        found = 'nothing' if message is None else f'an array of shape {message.shape}'
        raise ProtocolMismatch(f'agent {receiver} expects {request.kind!r} of shape {shape}, but is sent {found}')
    return message
