"""A node of each test's own in the ROS graph of the system that it watches."""

import time

import pytest
from ros_system import PATIENCE


@pytest.fixture
def outsider(domain):
    """Spun while it waits: `spin_until(done)`, `spin_for(seconds)`, and `ask(service)` for its answer to a Trigger."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
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

    def ask(service, kind=Trigger, **request):
        client = node.create_client(kind, service)
        spin_until(client.service_is_ready)
        answer = client.call_async(kind.Request(**request))
        spin_until(answer.done)
        return answer.result()

    rclpy.init(domain_id=domain)
    try:
        node, executor = rclpy.create_node('outsider'), SingleThreadedExecutor()
        executor.add_node(node)
        node.spin_until, node.spin_for, node.ask = spin_until, spin_for, ask
        yield node
        node.destroy_node()
    finally:
        rclpy.try_shutdown()
