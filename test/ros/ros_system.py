# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parts that tests over real processes share."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from dmpcrl_ros.bringup import nodes_of
from dmpcrl_ros.core.settings import build, dotted, table
from dmpcrl_ros.settings.deployment import DeploymentSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import description

PATIENCE = 60.0  # s


class Deployed:
    """A run over ROS 2, by the names of all settings: Deployed(steps=9, real_time=True)."""

    def __init__(self, **values):
        self._values = dotted(values)
        own = {entry.name for entry in table(DeploymentSettings)}
        self.settings = Settings(**{name: value for name, value in self._values.items() if name not in own})
        self.deployment = build(DeploymentSettings, self._values)

    def but(self, **changes):
        return Deployed(**self._values | dotted(changes))

    def nodes(self, **options):
        return nodes_of(self.settings, self.deployment, **options)

    def loop(self, **options):
        """The same in one process."""
        return ClosedLoop(self.settings.make_system(), self.settings, **options)


class Received(list):
    """Messages of a subscription, in their order.

    A subscription is joined to its publisher at some moment after both exist: what must have been received is waited
    for, here with `last`.

    Args:
        wait: spins the node until there is a message.
    """

    def __init__(self, wait):
        super().__init__()
        self._wait = wait

    @property
    def last(self):
        """The newest message, as soon as there is one."""
        if not self:
            self._wait()
        return self[-1]


def stable_chain(folder):
    """File of a chain that stays near its origin without an agent, however long that is away.

    The published one leaves it by a factor of 1.24 in each step, until no input brings it back.
    """
    described = description(3)
    for agent in described['agents']:
        dynamics = agent['dynamics']
        for matrices, key in ((dynamics, 'A'), *((dynamics['neighbours'], name) for name in dynamics['neighbours'])):
            matrices[key] = (0.75 * np.array(matrices[key])).tolist()
    path = folder / 'stable_chain.yaml'
    path.write_text(yaml.safe_dump(described))
    return str(path)


def leftovers():
    """Processes started in this test, by the mark in their environment."""
    mark = f'DMPCRL_TEST={os.environ["DMPCRL_TEST"]}'.encode()
    found = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            if int(entry.name) != os.getpid() and mark in (entry / 'environ').read_bytes().split(b'\0'):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def dmpcrl(*arguments):
    """The command, finished."""
    command = [sys.executable, '-P', '-m', 'dmpcrl_ros.cli', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


def start_dmpcrl(*arguments):
    """The command, running."""
    command = [sys.executable, '-P', '-m', 'dmpcrl_ros.cli', *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        preexec_fn=hear_signals,
    )


def hear_signals():
    """In the child: a suite that runs in the background of a shell ignores Ctrl-C, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition, seconds, what):
    """Poll until a condition holds; the test fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'waited {seconds} s for {what}'
        time.sleep(0.05)


def recorded_steps(directory):
    """Rows of steps.csv so far."""
    file = Path(directory, 'steps.csv')
    return max(file.read_text().count('\n') - 1, 0) if file.exists() else 0


def interrupt(process):
    """Ctrl-C to the command alone, as a terminal does to its foreground process."""
    process.send_signal(signal.SIGINT)
