# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The security policy of a system, with the real `ros2 security` and where the middleware can enforce it."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest
from policy_rules import rules_of
from ros_system import PATIENCE, Deployed, hear_signals, recorded_steps, wait_for

rclpy = pytest.importorskip('rclpy')

from rclpy.impl.implementation_singleton import rclpy_implementation  # noqa: E402

from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402
from dmpcrl_ros.msg import Exchange  # noqa: E402
from dmpcrl_ros.recording.run_reader import load_run  # noqa: E402
from dmpcrl_ros.security import policy  # noqa: E402

TOOLS = Path(os.environ.get('DMPCRL_ROS2_TOOLS', 'no-tools'))
pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason='ros2 security is not installed')
DEPLOYED = Deployed(enclave='laboratory', namespace='fleet', steps=10)
WITHOUT_SECURITY = re.compile('security (libraries|support)')  # what Fast DDS and Cyclone DDS say that lack it


def start_ros2(*words):
    """The command line of ROS 2, in a session of its own."""
    prefixes = os.pathsep.join([str(TOOLS), os.environ.get('AMENT_PREFIX_PATH', sys.prefix)])
    return subprocess.Popen(
        [sys.executable, TOOLS / 'bin' / 'ros2', *map(str, words)],
        env={**os.environ, 'PYTHONPATH': str(TOOLS), 'AMENT_PREFIX_PATH': prefixes},
        start_new_session=True,
        preexec_fn=hear_signals,
    )


def ros2(*words):
    """The same, finished; its exit code."""
    return start_ros2(*words).wait(PATIENCE)


@contextmanager
def launched(file, **arguments):
    """A launch file that runs, until it is interrupted as in a terminal."""
    process = start_ros2('launch', 'dmpcrl_ros', file, *(f'{name}:={value}' for name, value in arguments.items()))
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)


@pytest.fixture
def nodes(tmp_path):
    return DEPLOYED.nodes(output=str(tmp_path / 'run'))


@pytest.fixture
def policy_file(tmp_path, nodes):
    file = tmp_path / 'policy.xml'
    file.write_text(policy(nodes, DEPLOYED.settings.make_system()))
    return file


@pytest.fixture
def keystore(domain, tmp_path, policy_file):
    """Keys and permissions that sros2 makes of the policy; permissions hold for one domain."""
    assert ros2('security', 'generate_artifacts', '-k', tmp_path / 'keystore', '-p', policy_file) == 0
    return tmp_path / 'keystore'


@pytest.mark.timeout(400)
def test_sros2_generates_the_same_policy_from_the_launched_system(domain, tmp_path):
    arguments = {'enclave': 'laboratory', 'namespace': 'fleet', 'steps': 10**6}
    deployed, output = Deployed(**arguments), str(tmp_path / 'run')
    expected = rules_of(policy(deployed.nodes(output=output), deployed.settings.make_system()))
    found = []

    def complete():
        file = tmp_path / 'generated.xml'
        file.unlink(missing_ok=True)
        ros2('security', 'generate_policy', '--no-daemon', '--spin-time', 2, file)
        found.append(rules_of(file.read_text()) if file.exists() else None)  # within that time it may find nothing
        return found[-1] == expected

    with launched('chain.launch.py', output=output, **arguments):
        wait_for(lambda: recorded_steps(tmp_path / 'run') > 1, PATIENCE, 'steps')
        with suppress(AssertionError):  # the comparison says more
            wait_for(complete, 2 * PATIENCE, 'the whole graph')
        assert found[-1] == expected


def test_sros2_makes_permissions_of_the_policy(keystore, nodes, policy_file):
    rules = rules_of(policy_file.read_text())
    for node in nodes:
        _, names = rules[node.full_namespace, node.name]
        grant = ElementTree.parse(keystore / 'enclaves' / node.enclave[1:] / 'permissions.xml').find(
            'permissions/grant'
        )
        assert grant.get('name') == node.enclave and grant.find('default').text == 'DENY'
        for access, ours, theirs in (
            ('publish', 'rr{}Reply', 'rq{}Request'),
            ('subscribe', 'rq{}Request', 'rr{}Reply'),
        ):
            permitted = {topic.text for topic in grant.findall(f'allow_rule/{access}/topics/topic')}
            assert permitted == {
                'ros_discovery_info',
                *(f'rt{name}' for name in names[access]),
                *(ours.format(name) for name in names['reply']),
                *(theirs.format(name) for name in names['request']),
            }


@contextmanager
def node_of(enclave, name, namespace):
    """A node of ours in an enclave."""
    rclpy.init(args=['--ros-args', '--enclave', enclave])
    try:
        node = rclpy.create_node(name, namespace=namespace)
        yield node
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


@pytest.fixture
def enforced(keystore, monkeypatch):
    """Security for all nodes; skips where the middleware has none."""
    monkeypatch.setenv('ROS_SECURITY_KEYSTORE', str(keystore))
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    monkeypatch.setenv('ROS_SECURITY_STRATEGY', 'Enforce')
    try:
        with node_of('/laboratory/fleet/plant', 'plant', '/fleet'):
            pass
    except rclpy_implementation.RCLError as error:
        if WITHOUT_SECURITY.search(str(error)):
            pytest.skip(str(error))
        raise


def test_a_system_runs_with_the_rights_of_its_policy(enforced, nodes, tmp_path, monkeypatch):
    with ProcessGroup(nodes) as processes:
        monkeypatch.setenv('ROS_SECURITY_ENABLE', 'false')
        with node_of('/', 'stranger', '/') as stranger:
            wait_for(lambda: processes.ended('monitor'), PATIENCE, 'the end of the run')
            assert stranger.get_node_names() == ['stranger'], 'a node without keys knows the others'
    assert len(load_run(tmp_path / 'run').steps) == DEPLOYED.settings.steps


def test_an_agent_cannot_use_the_edges_of_others(enforced):
    with node_of('/laboratory/fleet/agent_3', 'agent_3', '/fleet') as agent:
        agent.create_publisher(Exchange, '/fleet/agent_3/to/agent_2', 1)
        with pytest.raises(rclpy_implementation.RCLError):
            agent.create_publisher(Exchange, '/fleet/agent_1/to/agent_2', 1)
        with pytest.raises(rclpy_implementation.RCLError):
            agent.create_subscription(Exchange, '/fleet/agent_1/to/agent_2', print, 1)
