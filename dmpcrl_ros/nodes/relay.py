# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Node that injects faults between other nodes.

Subscribes: <agent>/to/<neighbour> (Exchange) for every directed edge and, with faulty_plant, <agent>/state (State) and
<agent>/action (Action) for every agent. It subscribes only while the relayed topic has a subscriber, so a node that
waits for a subscriber waits for the one behind the relay.
Publishes: relayed/<topic> for each of them, for receivers whose topics are remapped to it.
Writes: the log of faults, if the setting log names a file.
Parameters: the common settings, those of the system (settings.run), and those of settings.nodes.RelaySettings.
"""

import csv
import heapq
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from itertools import count
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.nodes.common import run_node
from dmpcrl_ros.nodes.parameters import declare
from dmpcrl_ros.nodes.signals import SPIN_SLICE, running
from dmpcrl_ros.settings.nodes import RelaySettings
from dmpcrl_ros.testing.fault_plan import Copy, Death, FaultPlan
from dmpcrl_ros.topics import agent_topic, exchange_topic, relayed
from dmpcrl_ros.transport.corruption import Message, corrupted, stamp
from dmpcrl_ros.transport.executor import make_executor
from dmpcrl_ros.transport.qos import EXCHANGE, STREAM

_HELD = 0.01  # s of delay of a message to be reordered: several rounds
_LOOK_FOR_OTHERS = 0.05  # s between two checks for subscribers
_REMEMBERED = 64  # number of newest stamps of an edge and a kind
LOG_COLUMNS = ('sender', 'receiver', 'step', 'round', 'kind', 'attempt', 'fate')


def plan_of(settings: RelaySettings) -> FaultPlan:
    """Fault plan of the settings.

    Raises:
        SettingError: the deaths are not valid.
    """
    names = {field.name for field in fields(FaultPlan)} & {field.name for field in fields(RelaySettings)}
    try:
        return FaultPlan(
            **{name: getattr(settings, name) for name in names - {'seed', 'deaths'}},
            seed=settings.fault_seed,
            deaths=Death.parse(settings.deaths),
        )
    except ValueError as error:
        raise SettingError(str(error)) from None


class RelayNode(Node):
    """Forwards messages through a plan of faults."""

    def __init__(self) -> None:
        super().__init__('relay')
        self.settings, self.options = declare(self, RelaySettings, of_method=False)
        self._plan = plan_of(self.options)
        self._executor = make_executor()
        self._executor.add_node(self)
        system = self.settings.make_system()
        self._names = [*system.names, 'plant']
        plant, edges = system.n_agents, []
        for receiver, neighbours in enumerate(system.graph.neighbours):
            name = system.names[receiver]
            edges += [
                (sender, receiver, msg.Exchange, exchange_topic(system.names[sender], name), EXCHANGE)
                for sender in neighbours
            ]
            if self.options.faulty_plant:
                edges += [
                    (plant, receiver, msg.State, agent_topic(name, 'state'), STREAM),
                    (receiver, plant, msg.Action, agent_topic(name, 'action'), STREAM),
                ]
        self._unheard = [(edge, self.create_publisher(edge[2], relayed(edge[3]), edge[4])) for edge in edges]
        self._held: list[tuple[float, int, Publisher, Message]] = []  # a heap, by their due times
        self._order = count()
        self._times: dict[tuple[int, int, str], dict[tuple[int, int, int], int]] = {}
        self._faults: Counter[str] = Counter()
        self._log: Any = None  # a csv.writer

    def run(self) -> None:
        """Relay until shut down, then print the number of faults of each kind."""
        with ExitStack() as stack:
            if self.options.log:
                try:
                    file = stack.enter_context(open(self.options.log, 'x', newline='', encoding='utf-8', buffering=1))
                except OSError as error:
                    raise SettingError(f'log cannot be written: {error}') from None
                self._log = csv.writer(file)
                self._log.writerow(LOG_COLUMNS)
            try:
                while running():
                    self._listen()
                    self._deliver()
                    wait = _LOOK_FOR_OTHERS if self._unheard else SPIN_SLICE
                    if self._held:
                        wait = min(wait, max(self._held[0][0] - time.monotonic(), 0.0))
                    self._executor.spin_once(timeout_sec=wait)
            finally:
                print(f'relay: {", ".join(f"{n} {what}" for what, n in sorted(self._faults.items())) or "no faults"}')

    def _listen(self) -> None:
        """Subscribe to the senders whose receivers are present."""
        for entry in list(self._unheard):
            (sender, receiver, kind, topic, qos), publisher = entry
            if publisher.get_subscription_count():
                self.create_subscription(kind, topic, self._receiver(sender, receiver, publisher), qos)
                self._unheard.remove(entry)

    def _receiver(self, sender: int, receiver: int, publisher: Publisher) -> Callable[[Message], None]:
        def receive(message: Message) -> None:
            if not message.run:  # a greeting belongs to no run
                publisher.publish(message)
                return
            step, number, kind = stamp(message)
            attempt = self._attempt((sender, receiver, kind), (message.run, step, number))
            copies = self._plan.copies(sender, receiver, step, number, kind, attempt)
            self._note((self._names[sender], self._names[receiver], step, number, kind, attempt), copies)
            for copy in copies:
                self._pass_on(publisher, message, copy)

        return receive

    def _attempt(self, edge: tuple[int, int, str], at: tuple[int, int, int]) -> int:
        """Number of times that this message was sent before.

        The plant may repeat a state, and an agent an action or a round.
        """
        times = self._times.setdefault(edge, {})
        times[at] = times.get(at, -1) + 1
        if len(times) > _REMEMBERED:
            del times[next(iter(times))]
        return times[at]

    def _pass_on(self, publisher: Publisher, message: Message, copy: Copy) -> None:
        if copy.corruption:
            message = corrupted(message, copy.corruption)
        wait = copy.delay * self._plan.delay + copy.reordered * _HELD
        if wait:
            heapq.heappush(self._held, (time.monotonic() + wait, next(self._order), publisher, message))
        else:
            publisher.publish(message)

    def _deliver(self) -> None:
        while self._held and self._held[0][0] <= time.monotonic():
            _, _, publisher, message = heapq.heappop(self._held)
            publisher.publish(message)

    def _note(self, what: tuple[Any, ...], copies: Sequence[Copy]) -> None:
        """Count and log the faults of a message."""
        fate = [] if copies else ['lost']
        fate += ['duplicated'] * (len(copies) > 1) + ['delayed'] * any(copy.delay for copy in copies)
        fate += ['reordered'] * any(copy.reordered for copy in copies)
        fate += [copy.corruption for copy in copies if copy.corruption]
        self._faults.update(fate)
        if fate and self._log:
            self._log.writerow([*what, ' '.join(fate)])


def main() -> int:
    """Run the executable dmpcrl_relay."""
    return run_node(RelayNode, 'dmpcrl_relay')


if __name__ == '__main__':
    sys.exit(main())
