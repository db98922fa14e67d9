# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Presence of a member of a system, announced to the others and compared with theirs before the loop is closed."""

import math
import time
from collections.abc import Callable, Iterable, Mapping

from rclpy.node import Node

import dmpcrl_ros.msg as msg
from dmpcrl_ros.nodes.common import NodeFailure
from dmpcrl_ros.settings.agreement import differences
from dmpcrl_ros.topics import presence_topic
from dmpcrl_ros.transport.qos import LATCHED

_TIME_TO_SPEAK = 2.0  # s; DDS lists a killed process for 20 s more
_SETTLING = 0.3  # s after the first message of the last member, in which another instance would be discovered, too
# s. A member that started this much earlier may belong to a system that runs already. DDS finds another instance within
# the period in which participants announce themselves, 3 s.
_EARLIER, _ANNOUNCED = 1.0, 4.0
_LINGERING = 10.0  # s for which a member that does not fit waits for those that have not heard of it
_FROZEN = 5.0  # s without a turn after which another instance may have replaced this one


class Presence:
    """Announces a member, receives the presence of others, and checks that they fit together.

    If a member has two instances, the younger one ends: when it receives the presence of the older one before it is
    ready, or when the older one objects. If the older one was frozen and the younger one is ready, the older one ends.

    Args:
        node: of the member.
        member: name of the agent, PLANT or MONITOR.
        agreement: values on which all members must agree (settings.agreement).
        others: names of the members with which it works.
    """

    def __init__(self, node: Node, member: str, agreement: Mapping[str, str], others: Iterable[str]):
        self._member, self._agreement = member, agreement
        self._namespace = node.get_namespace()
        self._instance, self._ready, self._conflict = time.time_ns(), False, ''
        self._heard: dict[str, msg.Presence | None] = dict.fromkeys(others)
        now = self._started = self._turn = time.monotonic()
        self._speak_until, self._settled = now + _TIME_TO_SPEAK, now + _SETTLING
        self._differs_since = math.inf  # time at which a difference was found first
        self._thawed = 0  # end of the last freeze, in the clock of instances; _turn is the time of the last turn
        self._own_topic = node.create_subscription(msg.Presence, presence_topic(member), self._hear_own, LATCHED)
        for name in self._heard:
            node.create_subscription(msg.Presence, presence_topic(name), self._receiver(name), LATCHED)
        self._publisher = node.create_publisher(msg.Presence, presence_topic(member), LATCHED)
        self.announce(ready=False)

    def announce(self, *, ready: bool, objects_to: int = 0) -> None:
        """Publish whether this member is ready.

        Args:
            ready: whether its connections are made and it is active.
            objects_to: another instance of this member that must end; 0 for none.
        """
        self._ready = ready
        names, values = list(self._agreement), list(self._agreement.values())
        self._publisher.publish(
            msg.Presence(instance=self._instance, objects_to=objects_to, ready=ready, names=names, values=values)
        )

    def missing(self) -> list[str]:
        """Names of the members without a message so far.

        If DDS lists another instance of this member, it gets some time to announce itself: a killed one does not.
        """
        now = time.monotonic()
        double = self._own_topic.get_publisher_count() > 1 and now < self._speak_until
        unheard = [name for name, presence in self._heard.items() if presence is None]
        return [*unheard, *([f'presence of another {self._member}'] if double or now < self._settled else [])]

    def not_ready(self) -> list[str]:
        """Names of the members that are not ready yet."""
        return [name for name, presence in self._heard.items() if not (presence and presence.ready)]

    def check(self) -> None:
        """Check that this is the only instance, and that all members known so far agree.

        A member that does not agree stays for a while until all others have announced themselves, so that they hear of
        the difference, too, and need not wait for this member.

        Raises:
            NodeFailure: they do not; the message names the differing values and their members.
        """
        self.check_alone()
        agreements = {
            name: dict(zip(presence.names, presence.values, strict=False))
            for name, presence in self._heard.items()
            if presence
        }
        found, now = differences({self._member: self._agreement} | agreements), time.monotonic()
        self._differs_since = min(self._differs_since, now) if found else math.inf
        if found and (not self.missing() or now - self._differs_since > _LINGERING):
            raise NodeFailure(f'{found}: start all nodes of a system with the same settings, files and version')

    def check_alone(self) -> None:
        """Check that no other instance of this member has precedence. Call it in every turn of the node.

        Raises:
            NodeFailure: another instance has precedence.
        """
        self._take_turn()
        if self._conflict:
            raise NodeFailure(self._conflict)

    def _take_turn(self) -> None:
        now = time.monotonic()
        if now - self._turn > _FROZEN:
            self._thawed = time.time_ns()
        self._turn = now

    def _hear_own(self, message: msg.Presence) -> None:
        self._take_turn()
        if message.instance == self._instance:
            return
        younger, other = message.instance > self._instance, f'another {self._member} in the namespace {self._namespace}'
        if message.objects_to == self._instance or not (younger or self._ready):
            self._conflict = (
                f'there is {other}: end it, or start this system in another namespace or another ROS_DOMAIN_ID'
            )
        elif younger and message.ready and message.instance < self._thawed:
            self._conflict = f'{other} has replaced this one, which was frozen'
        elif younger:
            self.announce(ready=self._ready, objects_to=message.instance)

    def _receiver(self, name: str) -> Callable[[msg.Presence], None]:
        def receive(message: msg.Presence) -> None:
            if self._heard[name] is None:
                self._settled = max(self._settled, time.monotonic() + _SETTLING)
            if message.instance < self._instance - _EARLIER * 1e9:
                self._settled = max(self._settled, self._started + _ANNOUNCED)
            self._heard[name] = message

        return receive
