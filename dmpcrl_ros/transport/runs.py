"""Numbers of runs: 32 bits of the launch that a run belongs to, and below them 32 that the plant chooses.

All nodes that are started together share the number of their launch and drop messages of another one. So two systems in
one ROS domain do not mix although their topics are the same. They would still fill one another's queues: the plant that
started later ends.
"""

import time

OTHER_LAUNCH = 'another launch'  # the reason under which messages of another launch are counted
_BITS = 32


def first_run(launch: int) -> int:
    """Number of the first run of a plant that starts now: greater than that of any plant of the launch before it."""
    return launch << _BITS | int(time.time())


def began_before(run: int, other: int) -> bool:
    """Whether the plant of one run started before that of another; within the same second the number of the launch
    decides."""
    return (run % 2**_BITS, run >> _BITS) < (other % 2**_BITS, other >> _BITS)


def no_run(launch: int) -> int:
    """Number for messages that belong to a launch and to no run; smaller than those of its runs."""
    return launch << _BITS


def belongs(run: int, launch: int) -> bool:
    """Whether a run is one of a launch."""
    return run >> _BITS == launch
