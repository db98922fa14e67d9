# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A node of each test's own in the ROS graph of the system that it watches."""

import time

import pytest
from ros_system import PATIENCE


@pytest.fixture
def outsider(domain):
    """Spun while it waits: `spin_until(done)`, `spin_for(seconds)`, `ask(service)` for its answer to a Trigger,
    `get_value(node, parameter)`, and `set_value(node, parameter, value)` for the result."""
    import rclpy
    from rcl_interfaces.srv import GetParameters, SetParameters
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter, parameter_value_to_python
    from std_srvs.srv import Trigger

    def spin_until(done, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f'waited {seconds} s'
            executor.spin_once(timeout_sec=0.05)

    def spin_for(seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.01)

    clients = {}

    def ask(service, kind=Trigger, **request):
        if service not in clients:  # a new one may miss its first answer on a busy machine
            clients[service] = node.create_client(kind, service)
        client = clients[service]
        spin_until(client.service_is_ready)
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

    rclpy.init(domain_id=domain)
    try:
        node, executor = rclpy.create_node('outsider'), SingleThreadedExecutor()
        executor.add_node(node)
        node.spin_until, node.spin_for, node.ask = spin_until, spin_for, ask
        node.get_value, node.set_value = get_value, set_value
        yield node
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
