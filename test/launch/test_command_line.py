# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The command line of ROS 2 on a running system."""

import pytest
import yaml
from ros_system import PATIENCE, Deployed, wait_for

pytest.importorskip('rclpy')

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402

pytestmark = pytest.mark.timeout(400)

AGENT = '/agent_2'


@pytest.fixture
def system(tools, outsider):
    """A chain in lockstep, in the midst of its steps."""
    with ProcessGroup(Deployed(steps=1000000).nodes(report_period=None)) as processes:
        states = outsider.subscribe(msg.State, '/agent_2/state')
        outsider.spin_until(lambda: states.last.step > 50)
        yield states
    codes = processes.wait(0.0)
    assert set(codes.values()) == {0}, codes


def test_the_command_line_sees_and_steers_a_running_system(system, tools, outsider):
    nodes = {'/plant', '/agent_1', AGENT, '/agent_3'}
    wait_for(lambda: nodes <= set(tools.ros2('node', 'list').split()), PATIENCE, 'nodes')
    assert 'success=True' in tools.ros2('service', 'call', '/plant/pause', 'std_srvs/srv/Trigger')

    def seen():
        echoed, present = _echoed(tools, '/agent_2/state')['step'], system.last.step
        outsider.spin_for(0.3)
        return echoed == present == system.last.step

    wait_for(seen, PATIENCE, 'the step in which the request came to be the last')
    present = system.last.step
    assert _echoed(tools, '/agent_2/parameters')['step'] in (present - 1, present)
    assert 'round_timeout' in tools.ros2('param', 'list', AGENT)
    assert 'successful' in tools.ros2('param', 'set', AGENT, 'round_timeout', '7.5')
    assert tools.ros2('param', 'get', AGENT, 'round_timeout').endswith(' 7.5\n')
    assert 'read-only' in tools.ros2('param', 'set', AGENT, 'seed', '9')

    def inactive():
        tools.succeeds('lifecycle', 'set', AGENT, 'deactivate')  # fails where its first answer was lost
        return 'inactive [2]' in tools.ros2('lifecycle', 'get', AGENT)

    wait_for(inactive, PATIENCE, 'the agent to be inactive')


def _echoed(tools, topic):
    text = tools.ros2('topic', 'echo', '--once', '--full-length', '--no-lost-messages', topic)
    return yaml.safe_load(text.partition('---')[0])
