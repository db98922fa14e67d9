# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One run over several hosts: network namespaces, each with an interface of its own on one bridge."""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from ros_system import PATIENCE, dmpcrl, recorded_steps, wait_for

pytest.importorskip('rclpy')

from dmpcrl_ros.core.process import end_with_parent  # noqa: E402
from dmpcrl_ros.recording.recorded_loop import recorded  # noqa: E402
from dmpcrl_ros.recording.run_reader import load_run  # noqa: E402
from dmpcrl_ros.settings.run import Settings  # noqa: E402

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
OUTAGE = 5.0  # s
CARTS = [
    Path(__file__).parents[2] / 'config' / 'three_carts.yaml',
    '--seed',
    5,
    '--no-learning.exploration',
    '--coordination',
    'admm',
    '--admm.iterations',
    10,
]  # stable: they come to no harm while one of them is not controlled
LIMIT = 2.0  # N


def ip(*words):
    subprocess.run(['ip', *map(str, words)], check=True, capture_output=True, text=True)


class Hosts:
    """A bridge and one namespace for each host; nothing touches the network of the machine."""

    def __init__(self, names):
        self._prefix = f'dmpcrl-{os.getpid()}-'
        self._names, self._processes, self._here = ['hub', *names], {}, os.open('/proc/self/ns/net', os.O_RDONLY)

    def __enter__(self):
        try:
            for number, name in enumerate(self._names):
                ip('netns', 'add', self._prefix + name)
                ip('-n', self._prefix + name, 'link', 'set', 'lo', 'up')
                if name == 'hub':
                    ip('-n', self._prefix + 'hub', 'link', 'add', 'bridge', 'type', 'bridge', 'mcast_snooping', 0)
                    ip('-n', self._prefix + 'hub', 'link', 'set', 'bridge', 'up')
                    continue
                ip(
                    '-n',
                    self._prefix + 'hub',
                    'link',
                    'add',
                    f'to-{number}',
                    'type',
                    'veth',
                    'peer',
                    'name',
                    'eth0',
                    'netns',
                    self._prefix + name,
                )
                ip('-n', self._prefix + 'hub', 'link', 'set', f'to-{number}', 'master', 'bridge', 'up')
                ip('-n', self._prefix + name, 'address', 'add', f'10.77.0.{number}/24', 'dev', 'eth0')
                ip('-n', self._prefix + name, 'link', 'set', 'eth0', 'up')
        except (OSError, subprocess.CalledProcessError) as error:
            self._remove()
            pytest.skip(f'network namespaces are not permitted: {getattr(error, "stderr", error)}')
        return self

    def __exit__(self, *_):
        for number, patience in ((signal.SIGINT, 5.0), (signal.SIGKILL, 5.0)):
            for process in self._processes.values():
                process.send_signal(number)
            try:
                for process in self._processes.values():
                    process.communicate(timeout=patience)
                break
            except subprocess.TimeoutExpired:
                continue
        self._move(self._here)
        os.close(self._here)
        self._remove()

    def enter(self, name):
        """Move this thread, and the processes that it starts from now on, to a host."""
        with open(f'/run/netns/{self._prefix}{name}') as namespace:
            self._move(namespace.fileno())

    def start(self, *arguments):
        """Every node of a run as `dmpcrl nodes` says, each on the host of its name, the monitor beside the plant."""
        printed = dmpcrl('nodes', *arguments)
        assert printed.returncode == 0, printed.stderr
        for line in printed.stdout.splitlines():
            executable, *words = shlex.split(line)
            kind = executable.removeprefix('dmpcrl_')
            name = next(word.removeprefix('__node:=') for word in words if word.startswith('__node:='))
            self._processes[name] = subprocess.Popen(
                [
                    'ip',
                    'netns',
                    'exec',
                    self._prefix + (name if name in self._names else 'plant'),
                    sys.executable,
                    '-P',
                    '-m',
                    f'dmpcrl_ros.nodes.{kind}',
                    *words,
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=end_with_parent,
            )

    def link(self, name, state):
        """Plug a host in (up) or out (down)."""
        ip('-n', self._prefix + 'hub', 'link', 'set', f'to-{self._names.index(name)}', state)

    def ended(self, name):
        for label, process in self._processes.items():
            assert process.poll() in (None, 0), f'{label}: {process.communicate()[0]}'
        return self._processes[name].poll() == 0

    @staticmethod
    def _move(namespace):
        if ctypes.CDLL(None, use_errno=True).setns(namespace, _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), 'setns')

    def _remove(self):
        for name in reversed(self._names):
            subprocess.run(['ip', 'netns', 'delete', self._prefix + name], capture_output=True)


@pytest.fixture
def hosts(domain, monkeypatch):
    """Four hosts: the plant's, on which the test is, too, and one for each agent. They share /dev/shm, as hosts do not:
    nothing is to go that way."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    monkeypatch.setenv('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')
    with Hosts(['plant', 'left', 'middle', 'right']) as found:
        found.enter('plant')
        yield found


def longest(flags):
    """Where the longest block of true flags is."""
    blocks = (list(block) for flag, block in groupby(range(len(flags)), key=flags.__getitem__) if flag)
    return max(blocks, key=len, default=[])


def test_the_numbers_are_those_of_one_process(tmp_path, hosts):
    common = [CARTS[0], '--seed', 5, '--steps', 24]
    hosts.start(*common, '--output', tmp_path / 'hosts')
    wait_for(lambda: hosts.ended('monitor'), PATIENCE, 'the end of the run')
    list(recorded(Settings(system=str(CARTS[0]), seed=5, steps=24), tmp_path / 'process'))
    names = {file.name for file in (tmp_path / 'process').glob('*.csv')}
    assert names == {file.name for file in (tmp_path / 'hosts').glob('*.csv')} and len(names) >= 4
    for name in names:
        assert (tmp_path / 'hosts' / name).read_bytes() == (tmp_path / 'process' / name).read_bytes(), name


def test_lockstep_waits_for_a_host_that_is_cut_off_and_completes(tmp_path, hosts):
    hosts.start(*CARTS, '--steps', 120, '--round-timeout', 0.5, '--output', tmp_path / 'run')
    wait_for(lambda: recorded_steps(tmp_path / 'run') > 5, PATIENCE, 'the first steps')
    hosts.link('right', 'down')
    time.sleep(OUTAGE)
    assert recorded_steps(tmp_path / 'run') < 120
    hosts.link('right', 'up')
    wait_for(lambda: hosts.ended('monitor'), PATIENCE, 'the end of the run')
    run = load_run(tmp_path / 'run')
    assert run.steps.tolist() == list(range(120)) and (np.abs(run.actions) <= LIMIT).all()
    void = [fault for fault in run.faults if fault]  # of the outage 3 at most, and where a busy machine pauses
    assert 0 < len(void) <= 20 and not all(run.faults[-20:]), void
    for history in run.parameters.values():
        assert history.updates[-1] > 0 and np.isfinite(history.theta).all()


@pytest.mark.parametrize('lost_neighbours', ['fall-back', 'leave-out'])
def test_in_real_time_a_cut_link_is_a_lost_neighbour_that_returns(tmp_path, hosts, lost_neighbours):
    """The middle cart misses the right one: it takes its safe input after two steps, or continues without it. To the
    plant the right cart is silent: its last input is held for three steps, then the safe one applied."""
    hosts.start(
        *CARTS,
        '--real-time',
        '--period',
        0.3,
        '--round-timeout',
        0.2,
        '--steps',
        60,
        '--lost-neighbours',
        lost_neighbours,
        '--fallback-steps',
        2,
        '--output',
        tmp_path / 'run',
    )
    wait_for(lambda: recorded_steps(tmp_path / 'run') > 5, PATIENCE, 'the first steps')
    hosts.link('right', 'down')
    time.sleep(OUTAGE + 2.0)
    hosts.link('right', 'up')
    wait_for(lambda: hosts.ended('monitor'), PATIENCE, 'the end of the run')
    run = load_run(tmp_path / 'run')
    assert run.steps.tolist() == list(range(60)) and (np.abs(run.actions) <= LIMIT).all()
    _, middle, right = run.actions.T
    # To the plant the right cart is silent as long as its link is down, and a little longer. What agents say of single
    # steps depends on the time that a busy machine leaves them; to the middle cart the link returns in its own step.
    away = longest(right == 0.0)
    assert len(away) > 8 and np.isnan(run.metrics['td_error'][away]).all(), run.faults
    expected = 'right lost: last prediction held' if lost_neighbours == 'leave-out' else 'nothing from right'
    missed = [step for step in away if expected in run.faults[step]]
    assert len(missed) > 3, run.faults
    assert (middle[missed[0] : missed[-1]] == 0.0).all() == (lost_neighbours == 'fall-back')
    assert np.isfinite(run.metrics['td_error'][away[-1] + 1 :]).any(), run.faults
    for history in run.parameters.values():
        assert np.isfinite(history.theta).all() and history.steps[-1] > away[-1]
