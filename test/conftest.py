# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Fixtures that the tests of all rooms share."""

import fcntl
import itertools
import os
import signal
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from ros_system import PATIENCE, Received, leftovers, wait_for

# A suite that nohup or a script's background job started ignores these signals, and so would the nodes that it starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

_DOMAINS = itertools.cycle(range(1, 100))  # from 102 on the ports of DDS are those that the system gives to anybody


@contextmanager
def _own_domain():
    """A ROS domain that no test of any process on this machine has at the same time: its number."""
    for _ in range(os.getpid() % 99):  # where other processes are not likely to begin
        next(_DOMAINS)
    for number in itertools.islice(_DOMAINS, 99):
        with open(Path(tempfile.gettempdir(), f'dmpcrl_test_domain_{number}.lock'), 'w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    pytest.fail('all ROS domains are taken by other tests')


@pytest.fixture
def domain(monkeypatch):
    """A ROS domain of this test's own; after it, no process may be left there."""
    with _own_domain() as number:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(number))
        monkeypatch.setenv('DMPCRL_TEST', f'{os.getpid()}-{number}')
        yield number
        wait_for(lambda: not leftovers(), PATIENCE, 'processes to be gone')


@pytest.fixture
def outsider(domain):
    """A node of each test's own in the ROS graph of the system that it watches.

    It is spun while it waits: `spin_until(done)`, `spin_for(seconds)`, `ask(service)` for its answer to a Trigger,
    `get_value(node, parameter)`, and `set_value(node, parameter, value)` for the result. `subscribe(kind, topic)`
    returns the messages that it has received and receives from now on, with the profile of this package's topics.
    """
    import rclpy
    from lifecycle_msgs.srv import GetState
    from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter, parameter_value_to_python
    from std_srvs.srv import Trigger

    from dmpcrl_ros import msg
    from dmpcrl_ros.transport.qos import RECORD, STREAM

    def spin_until(done, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f'waited {seconds} s'
            executor.spin_once(timeout_sec=0.05)

    def spin_for(seconds):
        """Afterwards all messages are taken that came while this process was held up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.01)
        for _ in range(300):
            executor.spin_once(timeout_sec=0.0)

    def call(client, request):
        """Answer of a service whose requests change nothing: it drops those to clients that it does not know yet."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = client.call_async(request)
            try:
                spin_until(answer.done, 3.0)
                return answer.result()
            except AssertionError:
                assert time.monotonic() < deadline, f'{client.srv_name} has not answered within {PATIENCE} s'

    clients = {}

    def ask(service, kind=Trigger, **request):
        reads = kind in (GetState, GetParameters)
        if service not in clients:
            clients[service] = node.create_client(kind, service)
            spin_until(clients[service].service_is_ready)
            if not reads:  # nodes discover clients in their order: one that answers a younger client knows this one
                younger = node.create_client(ListParameters, f'{service.rpartition("/")[0]}/list_parameters')
                spin_until(younger.service_is_ready)
                call(younger, ListParameters.Request())
                node.destroy_client(younger)
        client = clients[service]
        spin_until(client.service_is_ready)
        if reads:
            return call(client, kind.Request(**request))
        answer = client.call_async(kind.Request(**request))
        spin_until(answer.done)
        return answer.result()

    def get_value(of, name):
        (value,) = ask(f'{of}/get_parameters', GetParameters, names=[name]).values
        return parameter_value_to_python(value)

    def set_value(of, name, value):
        parameter = Parameter(name, value=value).to_parameter_msg()
        (result,) = ask(f'{of}/set_parameters', SetParameters, parameters=[parameter]).results
        return result

    def subscribe(kind, topic, profile=None, take=lambda message: message):
        received = Received(lambda: spin_until(lambda: received))
        profile = profile or (STREAM if kind in (msg.Status, msg.Action) else RECORD)
        node.create_subscription(kind, topic, lambda message: received.append(take(message)), profile)
        return received

    rclpy.init(domain_id=domain)
    try:
        node, executor = rclpy.create_node('outsider'), SingleThreadedExecutor()
        executor.add_node(node)
        node.spin_until, node.spin_for, node.ask = spin_until, spin_for, ask
        node.get_value, node.set_value, node.subscribe = get_value, set_value, subscribe
        yield node
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts another package on the path, as pip would: its module and the entry points that it declares; for
    this process and those that it starts."""

    def installed(name, entry_points, code):
        """`entry_points`: for each group, places ('module:attribute') by the names they are registered under."""
        folder = tmp_path / name
        metadata = folder / f'{name}-1.0.dist-info'
        metadata.mkdir(parents=True)
        metadata.joinpath('METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
        metadata.joinpath('entry_points.txt').write_text(
            ''.join(
                f'[{group}]\n' + ''.join(f'{key} = {place}\n' for key, place in entries.items())
                for group, entries in entry_points.items()
            )
        )
        folder.joinpath(f'{name}.py').write_text(code)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv('PYTHONPATH', str(folder), prepend=os.pathsep)

    return installed
