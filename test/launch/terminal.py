# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Runs ros2 and dmpcrl as a user does in a terminal, with launch installed."""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from ros_system import PATIENCE, hear_signals, leftovers, wait_for

ROS2 = [sys.executable, '-P', '-c', 'import sys; from ros2cli.cli import main; sys.argv[0] = "ros2"; sys.exit(main())']
DMPCRL = [sys.executable, '-P', '-m', 'dmpcrl_ros.cli']


def found():
    """Folder of the tools for PYTHONPATH; empty where the environment has them; None where there are none."""
    folder = os.environ.get('DMPCRL_ROS2_TOOLS', '')
    if Path(folder, 'ros2launch').is_dir():
        return folder
    return '' if find_spec('ros2launch') else None


class Terminal:
    """A command in a session of its own, as in a terminal."""

    def __init__(self, command, environment):
        self._lines = []
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=hear_signals,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self):
        """Output so far."""
        return ''.join(self._lines)

    def _read(self):
        with self.process.stdout as lines:
            self._lines.extend(lines)

    def wait_for(self, pattern):
        """Wait until the output matches."""
        wait_for(
            lambda: re.search(pattern, self.text) or self.process.poll() is not None,
            PATIENCE,
            f'{pattern}\n{self.text}',
        )
        assert re.search(pattern, self.text), f'{pattern!r} not in\n{self.text}'

    def signal(self, number):
        """Send a signal to the command alone."""
        self.process.send_signal(number)

    def signal_all(self, number):
        """Send a signal to all of its processes, as a terminal does."""
        os.killpg(self.process.pid, number)

    def end(self):
        """Wait for the end; exit code and all that was said."""
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return self.process.returncode, self.text


class Tools:
    """Commands of one test.

    Args:
        folder: of the tools; empty where the environment has them.
        logs: folder for the logs of launch.
    """

    def __init__(self, folder, logs):
        self._started = []
        self._environment = {**os.environ, 'ROS_LOG_DIR': str(logs / 'log'), 'PYTHONUNBUFFERED': '1'}
        if folder:
            path = os.environ.get('PYTHONPATH', '')
            self._environment['PYTHONPATH'] = os.pathsep.join(filter(None, [folder, path]))

    def start(self, *command):
        """A running command."""
        self._started.append(Terminal(command, self._environment))
        return self._started[-1]

    def launch(self, *arguments, package='dmpcrl_ros'):
        """A running ros2 launch; without a package, of a file."""
        return self.start(*ROS2, 'launch', *filter(None, [package]), *arguments)

    def ros2(self, *arguments):
        """Output of a ros2 command that succeeds. It may have to be repeated: the daemon that it starts may not know
        the nodes yet, nor a node the client that waits for its answer."""
        wait_for(lambda: self.succeeds(*arguments), 2 * PATIENCE, f'success of {arguments}')
        return self._started[-1].text

    def succeeds(self, *arguments):
        """Whether a ros2 command succeeds; one that does not end is killed."""
        command = self.start(*ROS2, *arguments)
        try:
            command.process.wait(PATIENCE / 2)
        except subprocess.TimeoutExpired:
            command.signal_all(signal.SIGKILL)
        return command.end()[0] == 0

    def kill(self):
        """End what a failed test has left; pytest shows what that was."""
        for pid in leftovers():
            with suppress(OSError):
                print('left:', Path(f'/proc/{pid}/cmdline').read_text().replace('\0', ' '))
                os.kill(pid, signal.SIGKILL)
        for terminal in self._started:
            print(terminal.end()[1])


def node_pids(name):
    """Process numbers of the nodes of this name that were started in this test."""
    found = []
    for pid in leftovers():
        with suppress(OSError):
            if f'__node:={name}' in Path(f'/proc/{pid}/cmdline').read_text().split('\0'):
                found.append(pid)
    return found


def node_pid(name):
    """Process number of a node that was started in this test; None if there is none."""
    return next(iter(node_pids(name)), None)
