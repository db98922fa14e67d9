# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Signals at swept moments, the start of the processes included: every node ends, in time and without a traceback."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from ros_system import PATIENCE, Deployed

pytest.importorskip('rclpy')

from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402

MOMENTS = [0.05 + 0.24 * k for k in range(12)]  # s after the start: until all nodes are in the midst of steps
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


# Runs a node, which ends by a signal or by itself, and prints the threads that the process has then.
THREADS_LEFT = """
import os, signal, sys, threading, time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from dmpcrl_ros.nodes import common

module, node, delay = sys.argv[1], sys.argv[2], float(sys.argv[3])
make = getattr(import_module('dmpcrl_ros.nodes.' + module), node)
del sys.argv[1:4]
killer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGTERM))
killer.daemon = True
common.handle_signals()
killer.start()
common.run_node(make, module)


def threads():
    names = []
    for task in Path('/proc/self/task').iterdir():
        with suppress(OSError):  # it has just ended
            names.append((task / 'comm').read_text().strip())
    return names


deadline = time.monotonic() + 10.0
while any(name.startswith(('dds.udp', 'dds.ev')) for name in threads()) and time.monotonic() < deadline:
    time.sleep(0.05)  # the system lists a thread for a moment after its end
print(*threads(), sep='\\n')
"""

HELD = """
import time
from dmpcrl_ros.nodes import common

class Held:
    executor = None
    def run(self):
        pass
    def destroy_node(self):
        time.sleep(3600.0)

common._LONGEST_END = 0.5
common.run_node(Held, 'held')
"""


@pytest.mark.parametrize('delay', [0.5, 60.0], ids=['by a signal', 'by a failure'])
@pytest.mark.parametrize(
    ('module', 'node', 'parameters'), [('agent', 'AgentNode', ['agents:=[agent_1]']), ('plant', 'PlantNode', [])]
)
def test_a_node_that_ends_has_left_dds_in_order(domain, module, node, parameters, delay):
    """A participant of DDS that the exit handlers of the process must destroy crashes or hangs now and then."""
    words = [word for each in (*parameters, 'start_timeout:=1.0') for word in ('-p', each)]
    command = [sys.executable, '-P', '-c', THREADS_LEFT, module, node, str(delay), '--ros-args', *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    threads = done.stdout.splitlines()
    assert 'python' in threads[0] and not [name for name in threads if name.startswith(('dds.udp', 'dds.ev'))], threads


def test_a_node_that_the_middleware_does_not_let_go_ends_with_a_traceback(domain):
    done = subprocess.run([sys.executable, '-P', '-c', HELD], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and 'Timeout' in done.stderr and 'destroy_node' in done.stderr, done


@pytest.mark.parametrize('real_time', [True, False], ids=['real time', 'lockstep'])
def test_all_nodes_end_on_a_signal_whatever_they_are_doing(domain, real_time):
    for moment, number in zip(MOMENTS[real_time::2], itertools.cycle(ENDING), strict=False):
        system = Deployed(steps=100000, real_time=real_time, period=0.05)
        with ProcessGroup(system.nodes(report_period=None)) as processes:
            time.sleep(moment)
            for pid in processes.pids().values():
                os.kill(pid, number)
            codes = processes.wait(PATIENCE)
            said = '\n'.join(line for _, line in processes.output(timeout=0.1))
        assert set(codes.values()) == {0}, (moment, number, codes, said)
        assert not re.search(r'Traceback|FATAL|\wError|Exception', said), (moment, number, said)
