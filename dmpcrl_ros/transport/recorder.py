"""Joins the messages of all agents into the transitions of the closed loop. Knows nothing of nodes."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from dmpcrl_ros import msg
from dmpcrl_ros.simulation.closed_loop import Step


class StepAssembler:
    """Collects what belongs to a control step until the transition that begins in it is known whole.

    Transition t needs the states and actions of step t, and the stage costs and the status of step t + 1, in which it
    was evaluated. Messages of another run than the first are left out.

    Args:
        n_agents: of the network.
    """

    def __init__(self, n_agents: int):
        self._n_agents = n_agents
        self._parts: dict[tuple[int, str], dict[int, msg.State | msg.Action | msg.Status]] = defaultdict(dict)
        self._run: int | None = None
        self._next = 0

    @property
    def recorded(self) -> int:
        """Transitions handed out."""
        return self._next

    def add(self, agent: int, message: msg.State | msg.Action | msg.Status) -> Iterator[Step]:
        """Take in a message and hand out the transitions that it completes, in order."""
        if self._run is None and isinstance(message, msg.State):
            self._run = message.run
        if message.run != self._run or message.step < self._next:
            return
        self._parts[message.step, type(message).__name__][agent] = message
        while self._whole(self._next):
            yield self._join(self._next)
            for kind in ('State', 'Action', 'Status'):
                del self._parts[self._next, kind]
            self._next += 1

    def _whole(self, step: int) -> bool:
        return all(len(self._parts.get(key, ())) == self._n_agents for key in
                   ((step, 'State'), (step, 'Action'), (step, 'Status'), (step + 1, 'State'), (step + 1, 'Status')))

    def _join(self, step: int) -> Step:
        def parts(of: int, kind: str) -> list:
            return [self._parts[of, kind][agent] for agent in range(self._n_agents)]
        begun, ended = parts(step, 'Status'), parts(step + 1, 'Status')
        return Step(
            step=step, states=np.concatenate([m.state for m in parts(step, 'State')]),
            actions=np.concatenate([m.action for m in parts(step, 'Action')]),
            costs=np.array([m.stage_cost for m in parts(step + 1, 'State')]),
            td_error=ended[0].td_error if ended[0].evaluated else np.nan, explored=any(m.explored for m in begun),
            rounds=begun[0].rounds, faults=tuple(m.fault for m in ended))
