"""Quality of service of each kind of topic."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

# Parameters qos_overrides.<topic>.publisher.reliability and the like: ROS 2's own way to change these profiles.
OVERRIDABLE = QoSOverridingOptions.with_default_policies()

# A neighbour can be a round ahead, and a step ahead while this agent still learns: a depth of 1 would lose messages.
EXCHANGE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=32,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
# States for agents: none from before an agent listened. A restarted agent is asked again for the step that is due.
STREAM = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
# The newest only, also for late subscribers. For publishers: a reader of one message would lose that of one of two.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# For recording. A reader can discover a writer before the writer discovers the reader: without a memory for late
# readers the first messages of a run could be missed.
HISTORY = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
CLOCK = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
