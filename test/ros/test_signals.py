# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Signals at swept moments, the start of the processes included: every node ends, in time and without a traceback."""

import itertools
import os
import re
import signal
import time

import pytest
from ros_system import Deployed

pytest.importorskip('rclpy')

from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402

MOMENTS = [0.05 + 0.24 * k for k in range(12)]  # s after the start: until all nodes are in the midst of steps
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize('real_time', [True, False], ids=['real time', 'lockstep'])
def test_all_nodes_end_on_a_signal_whatever_they_are_doing(domain, real_time):
    for moment, number in zip(MOMENTS[real_time::2], itertools.cycle(ENDING), strict=False):
        system = Deployed(steps=100000, admm__iterations=5, real_time=real_time, period=0.05)
        with ProcessGroup(system.nodes(report_period=None)) as processes:
            time.sleep(moment)
            for pid in processes.pids().values():
                os.kill(pid, number)
            codes = processes.wait(timeout=8.0)
            said = '\n'.join(line for _, line in processes.output(timeout=0.1))
        assert set(codes.values()) == {0}, (moment, number, codes, said)
        assert not re.search(r'Traceback|FATAL|Error|Exception', said), (moment, number, said)
