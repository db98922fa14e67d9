"""Joins the messages of all agents into the transitions of the closed loop. Knows nothing of nodes."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from dmpcrl_ros import msg
from dmpcrl_ros.simulation.closed_loop import Step

_PATIENCE = 20  # steps after which a message that is still missing will not come


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
        self.next = 0   # transition that is waited for
        self.lost = 0   # transitions given up because a message of theirs did not come

    def add(self, agent: int, message: msg.State | msg.Action | msg.Status) -> Iterator[Step]:
        """Take in a message and hand out the transitions that it completes, in order."""
        if self._run is None:
            self._run = message.run
        if message.run != self._run or message.step < self.next:
            return
        self._parts[message.step, type(message).__name__].setdefault(agent, message)
        while (whole := self._whole(self.next)) or self.next + _PATIENCE < message.step:
            if whole:
                yield self._join(self.next)
            self.lost += not whole
            for kind in ('State', 'Action', 'Status'):
                self._parts.pop((self.next, kind), None)
            self.next += 1

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
