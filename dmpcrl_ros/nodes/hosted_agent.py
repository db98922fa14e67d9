# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One agent within a node: its topics and its steps."""

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.agent import StepReport
from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.events import Acted
from dmpcrl_ros.core.exchange import ProgramError
from dmpcrl_ros.core.link_state import LinkState
from dmpcrl_ros.nodes.diagnostics import AgentDiagnostics
from dmpcrl_ros.nodes.presence import Presence
from dmpcrl_ros.recording.learned_start import checkpoints_of
from dmpcrl_ros.settings.agreement import agreement
from dmpcrl_ros.systems.system import System
from dmpcrl_ros.topics import PLANT
from dmpcrl_ros.transport.agent_topics import AgentTopics, ReceivedState
from dmpcrl_ros.transport.conversions import StepStatistics
from dmpcrl_ros.transport.engine_host import EngineHost, Hosted
from dmpcrl_ros.transport.exchange_topics import ExchangeTopics

if TYPE_CHECKING:
    from dmpcrl_ros.nodes.agent import AgentNode

_INSISTENT = 3  # past states in a row after which an earlier state of the future counts as wrong
_SILENCE = 30.0  # s


class HostedAgent:
    """Receives states, runs a step for each, and publishes its action, status and parameters.

    Args:
        node: that runs the agent.
        host: of the engines of this process.
        system: that the agent belongs to.
        index: of the agent.
        local: indices of all agents of this process.
    """

    def __init__(self, node: 'AgentNode', host: EngineHost, system: System, index: int, local: frozenset[int]):
        settings, options = node.settings, node.options
        leave_out = options.lost_neighbours == 'leave-out'
        self.spec, self.agent = system.agents[index], settings.make_agent(system, index)
        self.engine = RoundEngine(
            index,
            system.graph.neighbours[index],
            names=dict(enumerate(system.names)),
            patient_rounds=system.n_agents - 1 if leave_out else system.graph.diameter,  # of any tree that is left
            leave_out_lost=leave_out,
            links=LinkState.of_cycles(index, system.graph.neighbours) if leave_out else None,
        )
        self.checkpoints = checkpoints_of(self.agent, self.spec.name, system, settings, options, node.get_logger())
        self.diagnostics = AgentDiagnostics(node, self)
        self._node, self._host, self._system, self._index = node, host, system, index
        self._dropped = self.engine.mailbox.dropped
        self._exchange = ExchangeTopics(
            node,
            agent=index,
            names=dict(enumerate(system.names)),
            neighbours=[j for j in system.graph.neighbours[index] if j not in local],
            deliver=lambda envelope: host.deliver(index, envelope),
            dropped=self._dropped,
        )
        host.add(Hosted(self.engine, self._exchange.send, self._on_act, self._on_end))
        self._topics = AgentTopics(
            node, index=index, spec=self.spec, metrics=settings.make_method().metrics, dropped=self._dropped
        )
        self.presence = Presence(
            node,
            self.spec.name,
            agreement(settings, options, system, of_method=True),
            [PLANT, *(system.names[j] for j in system.graph.neighbours[index] if j not in local)],
        )
        self._next: ReceivedState | None = None
        self._present: ReceivedState | None = None
        self._past: list[tuple[int, int]] = []  # places of late states since the last one in time
        self._done = (0, 0)
        self._answer: msg.Action | None = None
        self._updates, self._action_time = 0, 0.0
        self._listening = False

    def missing(self) -> list[str]:
        """Names of the neighbours and the plant without a connection to the agent."""
        plant = [] if self._topics.has_plant() else [PLANT]
        return list(dict.fromkeys([*self._exchange.unmatched(), *plant, *self.presence.missing()]))

    def listen(self) -> None:
        """Receive states from now on."""
        if not self._listening:
            self._listening = True
            self._topics.subscribe(self._on_state)
            self._publish_parameters()
        self.presence.announce(ready=True)

    def serve(self) -> None:
        """Carry out the requests of services between two steps, and begin the next step if its state has arrived."""
        if self.engine.busy:
            return
        if self.checkpoints.serve() and self._present:
            self._publish_parameters(self._present)
        if self._next is not None:
            begun, self._next = self._next, None
            self._begin(begun)
        elif (silence := time.monotonic() - self._topics.received) > _SILENCE:
            self._node.get_logger().warning(
                f'no state of {self.spec.name} for {silence:.0f} s', throttle_duration_sec=_SILENCE
            )

    def halt(self) -> None:
        """Leave the step.

        In real time the agent answers the present state with the safe action. In lockstep the plant waits for an
        inactive agent as for a dead one.
        """
        self._host.abandon(self._index, 'deactivated')
        latest, self._next = self._next or self._present, None
        if latest and self._node.options.real_time:
            self._be_safe(latest)
        elif self._present and not self._answer:  # the plant will repeat the state
            self._done = (self._present.run, self._present.observation.step - 1)
        self.checkpoints.save_if_changed()
        self.presence.announce(ready=False)

    def _on_state(self, begun: ReceivedState) -> None:
        if begun.place == self._done:
            if self._answer:
                self._topics.repeat(self._answer)  # the plant repeats the state because the action was lost
        elif begun.place < self._done and not self._insists(begun.place):
            self._dropped['late'] += 1
        elif self._node.active:
            self._next = begun
            if self._node.options.real_time:
                self._host.handle(self._index, self.engine.interrupt('the next state has arrived', begun.received))
        elif self._node.options.real_time:
            self._be_safe(begun)
        else:
            self._decline(begun)

    def _decline(self, begun: ReceivedState) -> None:
        """Notify the neighbours that this agent takes no part in a step."""
        self._host.handle(self._index, self.engine.decline(*begun.place, time.monotonic()))
        self._host.run_due()

    def _insists(self, place: tuple[int, int]) -> bool:
        """Whether the plant keeps sending states that seem to be past.

        In this case an earlier state of the future was wrong.
        """
        self._past = [*self._past, place] if self._past and place >= self._past[-1] else [place]
        return len(self._past) >= _INSISTENT

    def _begin(self, begun: ReceivedState) -> None:
        run, step = begun.place
        if run != self._done[0]:
            self.checkpoints.begin_run(run)
            self._publish_parameters(begun)
        self._present, self._done, self._past, self._answer = begun, begun.place, [], None
        now, options = time.monotonic(), self._node.options
        self.engine.set_timeouts(**options.timeouts())
        self.engine.open(run, step, now)
        lost = ', '.join(self.engine.lost) if self.engine.left_out else ''
        hold = f'{lost} lost: last prediction held' if lost else self._hold()
        program = self.agent.step(replace(begun.observation, hold=hold, cut=self.engine.cut))
        deadline = begun.received + (options.deadline_in(self._system) or math.inf)
        self._host.handle(self._index, self.engine.begin(program, now, deadline))

    def _hold(self) -> str:
        """Reason not to learn now; empty to learn, or without a learner."""
        switched_off = self._node.settings.learn and not self._node.learning
        return f'learning is switched off at {self.spec.name}' if switched_off else ''

    def _be_safe(self, begun: ReceivedState) -> None:
        """Answer a state with the safe action while the node is not active."""
        self._present, self._done = begun, begun.place
        self._decline(begun)
        self._answer = self._topics.answer(begun, Acted(self.spec.safe_action, fallback=True))

    def _on_act(self, act: Acted) -> None:
        if self._node.active and self._present:  # otherwise halt() answers
            self._answer = self._topics.answer(self._present, act)
            self._action_time = time.monotonic() - self._present.received

    def _on_end(self, report: StepReport) -> None:
        if not (self._node.active and self._present):
            return
        if not (self.engine.acted and self._answer):
            raise ProgramError(f'the program of agent {self.spec.name} ended its step without an action')
        begun, step_time = self._present, time.monotonic() - self._present.received
        self.checkpoints.keep(*begun.place)  # before publishing, because a signal may end the node
        if report.fault:
            self._node.get_logger().warning(f'step {begun.observation.step}: {report.fault}', throttle_duration_sec=1.0)
        if report.updates != self._updates:
            self._publish_parameters(begun)
        statistics = StepStatistics(
            rounds=self.engine.rounds,
            action_time=self._action_time,
            step_time=step_time,
            timeouts=self.engine.timeouts,
            dropped=self.engine.dropped,
            fallback=self._answer.fallback,
        )
        self._topics.report(begun, report, statistics)
        self.diagnostics.note(report, statistics)

    def _publish_parameters(self, begun: ReceivedState | None = None) -> None:
        """Publish the parameters that are valid from a step on, or before the first run."""
        self._updates = self.agent.updates
        self._topics.publish_parameters(self.agent, begun)
