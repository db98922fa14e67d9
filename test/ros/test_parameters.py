# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Parameters: files that many nodes share, and changes while the nodes run."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from ros_system import Deployed

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rcl_interfaces.srv import DescribeParameters  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402

NODES = {'agent': '/controller', 'plant': '/plant', 'bridge': '/bridge', 'monitor': '/monitor', 'relay': '/relay'}
AGENT = '/agent_1'
MOVING = {
    'real_time': True,
    'coordination': 'admm',
    'admm__iterations': 5,
    'seed': 5,
    'learning__exploration': False,
    'steps': 100000,
}


@pytest.fixture
def nodes_of_file(tmp_path, domain):
    """Starts one node of each kind with a file of parameters for all of them; their outputs, once they have ended."""
    processes = {}

    def start(**parameters):
        file = tmp_path / 'shared.yaml'
        file.write_text(yaml.safe_dump({'/**': {'ros__parameters': parameters}}))
        for name in NODES:
            command = [sys.executable, '-P', '-m', f'dmpcrl_ros.nodes.{name}', '--ros-args', '--params-file', str(file)]
            processes[name] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return outputs

    def outputs():
        for process in processes.values():
            process.terminate()
        return {name: process.communicate()[0] for name, process in processes.items()}

    yield start
    for process in processes.values():
        with process:
            process.kill()


def test_a_file_for_all_nodes_starts_each_of_them(tmp_path, outsider, nodes_of_file):
    outputs = nodes_of_file(
        **{
            'round_timeout': 4,
            'coordination': 'admm',
            'admm.rho': 2,
            'hold_steps': 5,
            'sensor_timeout': 2,
            'diagnostics_period': 7.0,
        },
        **{
            'loss': 0.25,
            'system': 'power_grid',
            'chain.agents': 'of another system',
            'scenarios': 'many',
            'output': str(tmp_path / 'run'),
        },
        **{'autostart': False, 'use_sim_time': False, 'foo': 3, 'iterations': 9, 'state_machine.rate': 10.0},
    )
    expected = {
        ('agent', 'round_timeout'): 4.0,
        ('agent', 'admm.rho'): 2.0,
        ('plant', 'hold_steps'): 5,
        ('bridge', 'sensor_timeout'): 2.0,
        ('bridge', 'diagnostics_period'): 7.0,
        ('monitor', 'admm.rho'): 2.0,
        ('relay', 'loss'): 0.25,
    }
    assert {(node, name): outsider.get_value(NODES[node], name) for node, name in expected} == expected
    for node, text in outputs().items():
        unknown = [line for line in text.splitlines() if 'there is no parameter' in line]
        assert len(unknown) == 3 and all('WARN' in line for line in unknown), (node, text)
        assert "no parameter 'foo' in this package" in text and "'state_machine.rate'" in text


@pytest.fixture
def lone_agent(domain):
    """The first agent of three, which waits for the others."""
    with ProcessGroup([node for node in Deployed(start_timeout=600.0).nodes() if node.name == 'agent_1']) as process:
        yield process


@pytest.mark.usefixtures('lone_agent')
def test_a_value_is_checked_as_at_the_start_and_shown(outsider):
    for name, value, shown in [
        ('round_timeout', 0.5, 0.5),
        ('round_timeout', 'never', 'never'),
        ('resend_after', 2, 2.0),
        ('optional_timeout', 1, 1.0),
        ('action_deadline', 'auto', 'auto'),
        ('diagnostics_period', 'never', 'never'),
        ('learn', False, False),
        ('learn', True, True),
    ]:
        result = outsider.set_value(AGENT, name, value)
        assert result.successful, (name, value, result.reason)
        assert outsider.get_value(AGENT, name) == shown and type(outsider.get_value(AGENT, name)) is type(shown)
    for name, value, reason in [
        ('round_timeout', -1.0, 'round_timeout must be from 0.001 to 3600 s, or never, not -1.0'),
        ('round_timeout', 'seldom', "round_timeout must be a number or never, not 'seldom'"),
        ('round_timeout', True, 'round_timeout must be a number or never, not True'),
        ('round_timeout', None, 'round_timeout cannot be deleted'),
        ('optional_timeout', 0.0, 'out of range'),
        ('optional_timeout', 'long', 'Wrong parameter type'),
        ('learn', 'yes', 'Wrong parameter type'),
        ('admm.rho', 2.0, 'read-only'),
        ('learning.rate', 1e-5, 'read-only'),
        ('seed', 4, 'read-only'),
        ('hold_steps', 4, ''),  # of the plant
    ]:
        result = outsider.set_value(AGENT, name, value)
        assert not result.successful and reason in result.reason, (name, value, result.reason)
    assert (
        outsider.get_value(AGENT, 'round_timeout') == 'never' and outsider.get_value(AGENT, 'optional_timeout') == 1.0
    )


@pytest.mark.usefixtures('lone_agent')
def test_a_description_tells_unit_and_range_and_what_can_be_changed(outsider):
    names = ['round_timeout', 'optional_timeout', 'learn', 'admm.rho', 'lost_neighbours']
    described = {
        each.name: each
        for each in outsider.ask(f'{AGENT}/describe_parameters', DescribeParameters, names=names).descriptors
    }
    assert [name for name in names if described[name].read_only] == ['admm.rho', 'lost_neighbours']
    assert described['round_timeout'].additional_constraints == 'from 0.001 to 3600 s, or never'
    assert described['round_timeout'].dynamic_typing and described['round_timeout'].description.endswith('[s]')
    (span,) = described['optional_timeout'].floating_point_range
    assert (span.from_value, span.to_value) == (0.001, 3600.0)
    assert described['lost_neighbours'].additional_constraints == 'one of fall-back, leave-out'


def test_agents_made_without_a_learner_cannot_be_told_to_learn(outsider):
    (node,) = [each for each in Deployed(learn=False).nodes() if each.name == 'agent_1']
    with ProcessGroup([replace(node, parameters=node.parameters | {'autostart': False})]):
        result = outsider.set_value(AGENT, 'learn', True)
        assert not result.successful and 'learn was false at the start' in result.reason
        assert outsider.get_value(AGENT, 'learn') is False


def test_learning_deadlines_and_diagnostics_are_changed_while_the_system_runs(outsider):
    near, far = (outsider.subscribe(msg.Status, f'/{agent}/status') for agent in ('agent_1', 'agent_3'))
    told = []
    outsider.create_subscription(
        DiagnosticArray,
        '/diagnostics',
        lambda m: told.append(m.status[0]) if 'agent_1' in m.status[0].name else None,
        10,
    )
    with ProcessGroup(Deployed(**MOVING, period=0.2, diagnostics_period=None).nodes()):
        outsider.spin_until(lambda: far.last.updates >= 2)
        assert not told
        assert outsider.set_value(AGENT, 'learn', False).successful
        outsider.spin_until(lambda: 'held by another' in far.last.fault)
        assert outsider.set_value(AGENT, 'diagnostics_period', 0.1).successful
        outsider.spin_until(lambda: len(told) > 3 and _value(told[-1], 'learning') == 'off')
        updates = far.last.updates
        assert outsider.ask(f'{AGENT}/set_learning', SetBool, data=True).success
        assert outsider.get_value(AGENT, 'learn') is True
        outsider.spin_until(lambda: far.last.updates > updates and _value(told[-1], 'learning') == 'on')
        assert outsider.ask(f'{AGENT}/set_learning', SetBool, data=False).success
        assert outsider.get_value(AGENT, 'learn') is False
        assert outsider.set_value(AGENT, 'diagnostics_period', 'never').successful
        outsider.spin_for(0.5)  # what was on its way
        count, step = len(told), far.last.step
        outsider.spin_until(lambda: far.last.step > step + 5)
        assert len(told) == count
        assert outsider.set_value(AGENT, 'action_deadline', 0.001).successful
        outsider.spin_until(lambda: 'out of time' in near.last.fault)


def _value(status, key):
    return {item.key: item.value for item in status.values}[key]


def test_timeouts_and_held_steps_are_changed_while_an_agent_is_silent(outsider):
    """The neighbour waits for its new round timeout, and the plant holds the input for the new number of steps."""
    status = outsider.subscribe(msg.Status, '/agent_1/status')
    states = outsider.subscribe(msg.State, '/agent_2/state')
    settings = Deployed(**MOVING, period=0.3, round_timeout=None, hold_steps=1000)
    with ProcessGroup(settings.nodes()) as processes:
        outsider.spin_until(lambda: status.last.step > 3 and not status.last.fault)
        os.kill(processes.pids()['agent_2'], signal.SIGSTOP)
        outsider.spin_until(lambda: 'out of time' in status.last.fault)
        assert outsider.set_value(AGENT, 'round_timeout', 0.05).successful
        outsider.spin_until(lambda: 'within 0.05 s' in status.last.fault)
        step = states.last.step
        outsider.spin_until(lambda: states.last.step > step + 3)
        held = states.last.applied[0]
        assert held and states[-2].applied[0] == held
        assert outsider.set_value('/plant', 'hold_steps', 0).successful
        outsider.spin_until(lambda: states.last.applied[0] == 0.0)
        os.kill(processes.pids()['agent_2'], signal.SIGCONT)
        outsider.spin_until(lambda: states.last.applied[0])
