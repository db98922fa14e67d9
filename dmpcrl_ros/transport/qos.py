# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Quality of service of each kind of topic."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

# Parameters qos_overrides.<topic>.publisher.reliability and the like: ROS 2's own way to change these profiles.
OVERRIDABLE = QoSOverridingOptions.with_default_policies()


def _reliable(depth: int, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE, durability=durability
    )


# A neighbour can be a round ahead, or a step ahead while this agent still learns: a depth of 1 would lose messages.
EXCHANGE = _reliable(32, DurabilityPolicy.VOLATILE)
# Actions and outcomes of steps, and states for nodes that follow the loop: no messages from before the subscription.
# The plant repeats the state of the present step for a restarted agent.
STREAM = _reliable(100, DurabilityPolicy.VOLATILE)
# The present value, also for late subscribers. For publishers, and for readers that need the newest message only.
LATCHED = _reliable(1, DurabilityPolicy.TRANSIENT_LOCAL)
# For readers that record a latched topic: the present value and all later ones.
RECORD = _reliable(100, DurabilityPolicy.TRANSIENT_LOCAL)
CLOCK = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
