# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The security policy of a system, and the ROS graph of the same system while it runs."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from policy_rules import ACCESSES, rules_of
from ros_system import PATIENCE, Deployed, recorded_steps, wait_for

pytest.importorskip('rclpy')

from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402
from dmpcrl_ros.security import policy  # noqa: E402
from dmpcrl_ros.testing.fault_plan import FaultPlan  # noqa: E402

CONFIG = Path(__file__).resolve().parents[2] / 'config'
ENDLESS = Deployed(enclave='laboratory', steps=10**6)
ROBOT = {'system': str(CONFIG / 'mujoco_carts.yaml'), 'bridge': str(CONFIG / 'mujoco_carts_bridge.yaml')}


def made(outsider):
    """Topics and services of the nodes with an enclave in the ROS graph, in the form of rules_of()."""
    questions = (
        outsider.get_publisher_names_and_types_by_node,
        outsider.get_subscriber_names_and_types_by_node,
        outsider.get_service_names_and_types_by_node,
        outsider.get_client_names_and_types_by_node,
    )
    return {
        (namespace, name): (
            enclave,
            {key: {entry for entry, _ in ask(name, namespace)} for key, ask in zip(ACCESSES, questions, strict=True)},
        )
        for name, namespace, enclave in outsider.get_node_names_and_namespaces_with_enclaves()
        if enclave != '/'
    }


@pytest.mark.parametrize(
    ('changes', 'relay'),
    [
        ({'namespace': 'fleet'}, {}),
        ({'chain.agents': 2}, {'faults': FaultPlan(loss=0.01), 'faulty_plant': True}),
        (ROBOT | {'agents_per_process': 2, 'diagnostics_period': None}, {}),
    ],
    ids=['plant', 'relay', 'bridge'],
)
def test_a_policy_allows_what_the_nodes_of_a_running_system_make_and_nothing_else(tmp_path, outsider, changes, relay):
    deployed = ENDLESS.but(**changes)
    nodes = deployed.nodes(output=str(tmp_path / 'run'), **relay)
    expected = rules_of(policy(nodes, deployed.settings.make_system()))
    with ProcessGroup(nodes):
        if 'bridge' not in changes:  # there is no robot
            wait_for(lambda: recorded_steps(tmp_path / 'run') > 1, PATIENCE, 'steps')
        with suppress(AssertionError):  # the comparison says more
            outsider.spin_until(lambda: made(outsider) == expected)
        assert made(outsider) == expected


def test_a_node_that_gets_no_keys_ends_in_so_many_words(domain, tmp_path, monkeypatch):
    (node, *_) = ENDLESS.nodes()
    tmp_path.joinpath('enclaves', node.enclave[1:]).mkdir(parents=True)
    monkeypatch.setenv('ROS_SECURITY_KEYSTORE', str(tmp_path))
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    monkeypatch.setenv('ROS_SECURITY_STRATEGY', 'Enforce')
    command = [sys.executable, '-P', '-m', 'dmpcrl_ros.executables', *node.command()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert 'dmpcrl_plant: error creating node' in done.stderr and 'Traceback' not in done.stderr
