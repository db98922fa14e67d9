# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Presence of a member of a system, announced to the others and compared with theirs before the loop is closed."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from rclpy.duration import Duration
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
_DELIVERY = 1.0  # s for the delivery of the presence of a node that ends
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
        self._log, self._member, self._agreement = node.get_logger(), member, agreement
        self._namespace = node.get_namespace()
        self._instance, self._ready, self._conflict = time.time_ns(), False, ''
        self._heard: dict[str, msg.Presence | None] = dict.fromkeys(others)
        now = self._started = self._turn = time.monotonic()
        self._speak_until, self._settled = now + _TIME_TO_SPEAK, now + _SETTLING
        self._difference = ''  # from another member
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
        """Names of the members without a message so far, and the setting in which members differ."""
        return [*self.unheard(), *([self._difference] if self._difference else [])]

    def unheard(self) -> list[str]:
        """Names of the members without a message so far.

        If DDS lists another instance of this member, it gets some time to announce itself: a killed one does not.
        """
        now = time.monotonic()
        double = self._own_topic.get_publisher_count() > 1 and now < self._speak_until
        silent = [name for name, presence in self._heard.items() if presence is None]
        return [*silent, *([f'presence of another {self._member}'] if double or now < self._settled else [])]

    def not_ready(self) -> list[str]:
        """Names of the members that are not ready yet."""
        return [name for name, presence in self._heard.items() if not (presence and presence.ready)]

    def compare(self) -> str:
        """Compare this member with all members known so far.

        Returns:
            The differing values and their members; empty without a difference. It is logged when it is found.
        """
        agreements = {
            name: dict(zip(presence.names, presence.values, strict=False))
            for name, presence in self._heard.items()
            if presence
        }
        before, self._difference = self._difference, differences({self._member: self._agreement} | agreements)
        if self._difference and not before:
            self._log.error(f'{self._difference}: this node ends when all others have heard of it')
        return self._difference

    def say_goodbye(self) -> None:
        """Wait until the others have the presence of this member, before it ends."""
        self._publisher.wait_for_all_acked(Duration(seconds=_DELIVERY))

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


def check(presences: Sequence[Presence]) -> None:
    """Check that the members of this process are the only instances, and that all members known so far agree.

    A process with a difference stays until all others with which it works have announced themselves: they hear of the
    difference, too, and do not wait for this process in vain.

    Raises:
        NodeFailure: they do not agree, and nobody is missing any more; the message names the differing values and their
            members. Or another instance has precedence.
    """
    for presence in presences:
        presence.check_alone()
    found = [difference for presence in presences if (difference := presence.compare())]
    if found and not any(presence.unheard() for presence in presences):
        for presence in presences:
            presence.say_goodbye()
        raise NodeFailure(f'{found[0]}: start all nodes of a system with the same settings, files and version')
