# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Managed nodes, their services, and checkpoints that cannot be written."""

import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
from ros_system import PATIENCE, Deployed, stable_chain, wait_for

pytest.importorskip('rclpy')

from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from std_msgs.msg import Empty  # noqa: E402
from std_srvs.srv import SetBool, Trigger  # noqa: E402

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessDied, ProcessGroup  # noqa: E402
from dmpcrl_ros.nodes.managed import ManagedNode  # noqa: E402
from dmpcrl_ros.settings.nodes import ManagedNodeSettings  # noqa: E402
from dmpcrl_ros.transport.qos import LATCHED  # noqa: E402

QUICK = {
    'coordination': 'admm',
    'admm__iterations': 5,
    'seed': 5,
    'learning__exploration': False,
    'steps': 100000,
    'period': 0.1,
    'real_time': True,
}
NODES = ['/plant', '/agent_1', '/agent_2', '/agent_3']


def managed(nodes):
    return [replace(node, parameters=node.parameters | {'autostart': False}) for node in nodes]


def change(outsider, node, transition):
    return outsider.ask(f'{node}/change_state', ChangeState, transition=Transition(id=transition)).success


def metric(status, name):
    return dict(zip(status.metric_names, status.metrics, strict=True))[name]


def evaluated(status):
    return not np.isnan(metric(status, 'td_error'))


def state(outsider, node):
    return outsider.ask(f'{node}/get_state', GetState).current_state.label


def test_a_manager_brings_the_system_up_and_down(tmp_path, outsider):
    states, actions = outsider.subscribe(msg.State, '/agent_2/state'), outsider.subscribe(msg.Action, '/agent_2/action')
    settings = Deployed(**QUICK, system=stable_chain(tmp_path))
    with ProcessGroup(managed(settings.nodes())) as processes:
        assert {state(outsider, node) for node in NODES} == {'unconfigured'}
        assert not change(outsider, NODES[1], Transition.TRANSITION_ACTIVATE)  # refused, and the node lives
        for node in NODES:
            assert change(outsider, node, Transition.TRANSITION_CONFIGURE)
        outsider.spin_for(0.5)
        assert not states
        for node in NODES:  # one after another: each waits for the network
            assert change(outsider, node, Transition.TRANSITION_ACTIVATE)
        outsider.spin_until(lambda: actions and states.last.step > 5)
        assert change(outsider, '/agent_2', Transition.TRANSITION_DEACTIVATE)
        left = outsider.subscribe(msg.State, '/agent_2/state').last.step
        outsider.spin_until(lambda: states.last.step > left + 8 and actions.last.step > left + 1)
        answers = [m for m in actions if m.step > left + 1]
        assert answers and all(m.fallback and m.action[0] == 0.0 for m in answers)
        assert all(
            s.applied[0] == 0.0 for s in states if s.step > left + 4
        )  # the plant holds a former input for 3 steps
        assert change(outsider, '/agent_2', Transition.TRANSITION_CLEANUP)
        assert state(outsider, '/agent_2') == 'unconfigured'
        outsider.spin_until(lambda: states.last.step > left + 16)
        assert all(s.applied[0] == 0.0 for s in states if s.step > left + 4)  # now by the watchdog of the plant
        assert change(outsider, '/agent_2', Transition.TRANSITION_CONFIGURE)
        assert change(outsider, '/agent_2', Transition.TRANSITION_ACTIVATE)
        outsider.spin_until(lambda: not actions.last.fallback)
        assert change(outsider, '/plant', Transition.TRANSITION_DEACTIVATE)
        outsider.spin_for(0.5)
        last = states.last.step
        outsider.spin_for(1.0)
        assert states.last.step == last
        assert change(outsider, '/plant', Transition.TRANSITION_ACTIVATE)
        outsider.spin_until(lambda: states.last.step > last + 3)
        assert change(outsider, '/agent_3', Transition.TRANSITION_ACTIVE_SHUTDOWN)
        outsider.spin_until(
            lambda: (
                subprocess.run(['kill', '-0', str(processes.pids()['agent_3'])], capture_output=True).returncode
                or _ended(processes, 'agent_3')
            )
        )


class Repeater(ManagedNode):
    """Publishes each message that it receives again."""

    def __init__(self):
        super().__init__('repeater', ManagedNodeSettings)

    def configure(self):
        publisher = self.create_publisher(Empty, 'out', 10)
        self.create_subscription(Empty, 'in', publisher.publish, 10)
        self.create_service(Trigger, 'act', self._act)

    def _act(self, request, response):
        pytest.fail('called after the clean-up')


def test_messages_and_requests_that_wait_during_the_clean_up_are_ignored(outsider):
    """The executor still delivers them: an agent died of the state that arrived while it was cleaned up."""
    node = Repeater()
    node.trigger_configure()
    publisher, client = outsider.create_publisher(Empty, 'in', 10), outsider.create_client(Trigger, 'act')
    wait_for(lambda: publisher.get_subscription_count() and client.service_is_ready(), PATIENCE, 'connections')
    for _ in range(10):
        node.executor_.spin_once(timeout_sec=0.0)  # takes note of the subscription and the service
    publisher.publish(Empty())
    assert publisher.wait_for_all_acked()
    client.call_async(Trigger.Request())
    time.sleep(0.5)  # until the request is in the queue of the executor
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    for _ in range(20):
        node._spin(0.1)
    node.destroy_node()


def test_in_lockstep_the_plant_waits_for_an_agent_that_is_not_active(outsider):
    """It neither applies a safe input nor continues; when the agent is active again, the run continues."""
    states, actions = outsider.subscribe(msg.State, '/agent_1/state'), outsider.subscribe(msg.Action, '/agent_2/action')
    status = outsider.subscribe(msg.Status, '/agent_3/status')
    with ProcessGroup(Deployed(**QUICK | {'real_time': False}).nodes()):
        outsider.spin_until(lambda: actions and status and states.last.step > 5)
        assert change(outsider, '/agent_2', Transition.TRANSITION_DEACTIVATE)
        waits = outsider.subscribe(msg.State, '/agent_2/state', take=lambda m: m.step)
        outsider.spin_until(lambda: waits.count(waits.last) > 2)  # only a silent agent gets its state again
        left = waits.last
        outsider.spin_until(lambda: states.last.step >= left)
        assert states.last.step == left and all(m.step < left or not m.fallback for m in actions)
        assert change(outsider, '/agent_2', Transition.TRANSITION_ACTIVATE)
        outsider.spin_until(lambda: status.last.step > left + 10 and evaluated(status.last) and not status.last.fault)
    assert all(abs(s.applied[0]) <= 1.0 for s in states if s.step)


def _ended(processes, label):
    return processes._processes[label].poll() == 0


def test_a_wrong_setting_is_told_when_a_managed_node_is_configured(outsider):
    (node,) = [n for n in managed(Deployed(**QUICK).nodes()) if n.name == 'agent_1']
    wrong = replace(node, parameters=node.parameters | {'agents': ['agent_9']})
    with ProcessGroup([wrong]) as processes:
        assert not change(outsider, '/agent_1', Transition.TRANSITION_CONFIGURE)
        assert state(outsider, '/agent_1') == 'unconfigured'
        assert any("no agent 'agent_9'" in line for _, line in processes.output(PATIENCE))


def test_learning_stops_for_all_when_it_is_stopped_at_one_and_goes_on_with_it(tmp_path, outsider):
    status = outsider.subscribe(msg.Status, '/agent_3/status')
    with ProcessGroup(Deployed(**QUICK, system=stable_chain(tmp_path)).nodes()):
        outsider.spin_until(lambda: status.last.updates >= 3)
        assert outsider.ask('/agent_1/set_learning', SetBool, data=False).success
        outsider.spin_until(lambda: 'held by another' in status.last.fault)
        updates, step = status.last.updates, status.last.step
        outsider.spin_until(
            lambda: status.last.step > step + 10 and any(m.step > step and not m.fallback for m in status)
        )
        assert status.last.updates == updates
        assert outsider.ask('/agent_1/set_learning', SetBool, data=True).success
        outsider.spin_until(lambda: status.last.updates > updates + 2)


def test_save_learn_on_load_and_reset(tmp_path, outsider):
    parameters = outsider.subscribe(msg.Parameters, '/agent_1/parameters')
    settings = Deployed(**QUICK, checkpoints=str(tmp_path / 'kept'), checkpoint_every=None)
    with ProcessGroup(settings.nodes()):
        outsider.spin_until(lambda: parameters.last.updates >= 3)
        assert not outsider.ask('/agent_1/load').success  # not discovered yet
        answer = outsider.ask('/agent_1/save')
        assert answer.success, answer.message
        saved = int(answer.message.split()[0])
        outsider.spin_until(lambda: parameters.last.updates >= saved + 5)
        count = len(parameters)
        assert outsider.ask('/agent_1/load').success
        outsider.spin_until(lambda: parameters.last.updates <= saved + 2)
        assert outsider.ask('/agent_1/reset').success
        outsider.spin_until(lambda: parameters.last.updates <= 2)
    known = {m.updates: list(m.theta) for m in parameters[:count]}
    restored = next(m for m in parameters[count:] if m.updates <= saved)
    assert list(restored.theta) == known[saved] and np.isfinite(parameters.last.theta).all()


def test_where_no_checkpoint_can_be_written_the_run_goes_on_and_says_so(tmp_path, outsider):
    (tmp_path / 'file').write_text('in the way')
    status = outsider.subscribe(msg.Status, '/agent_1/status')
    settings = Deployed(**QUICK, checkpoints=str(tmp_path / 'file'), checkpoint_every=1)
    with ProcessGroup(settings.nodes()) as processes:
        outsider.spin_until(lambda: status.last.updates >= 10)
        assert any('cannot save a checkpoint' in line for _, line in processes.output(PATIENCE))
        assert not processes._processes['agent_1'].poll()


def test_a_deployed_controller_acts_on_what_was_learned_and_learns_nothing(tmp_path, outsider):
    parameters = outsider.subscribe(msg.Parameters, '/agent_1/parameters')
    settings = Deployed(**QUICK, checkpoints=str(tmp_path))
    with ProcessGroup(settings.nodes()):
        outsider.spin_until(lambda: parameters.last.updates >= 4)
    outsider.spin_for(0.5)
    learned = parameters.last
    parameters.clear()
    status = outsider.subscribe(msg.Status, '/agent_1/status')
    with ProcessGroup(settings.but(learn=False).nodes()):
        outsider.spin_until(lambda: status.last.step > 10)
    assert parameters.last.updates == learned.updates and list(parameters.last.theta) == list(learned.theta)
    assert all(m.updates == learned.updates and metric(m, 'primal_residual') > 0.0 for m in status if not m.fallback)


def test_without_learning_and_without_a_checkpoint_nothing_is_deployed(tmp_path, outsider):
    settings = Deployed(**QUICK, checkpoints=str(tmp_path / 'mistyped'), learn=False)
    with (
        pytest.raises(ProcessDied, match=r'mistyped/agent_\d.npz; without learning'),
        ProcessGroup(settings.nodes()) as processes,
    ):
        outsider.spin_until(lambda: processes.ended('plant'))


def test_a_state_of_the_future_that_the_plant_has_not_told_is_forgotten(outsider):
    states, status = outsider.subscribe(msg.State, '/agent_2/state'), outsider.subscribe(msg.Status, '/agent_2/status')
    liar = outsider.create_publisher(msg.State, '/agent_2/state', LATCHED)
    with ProcessGroup(Deployed(**QUICK).nodes()):
        outsider.spin_until(lambda: states and evaluated(status.last))
        now = states.last
        liar.publish(msg.State(run=now.run, step=now.step + 50000, agent=1, state=now.state, applied=now.applied))
        outsider.spin_until(lambda: any(m.step >= now.step + 50000 for m in states))
        outsider.spin_until(
            lambda: (
                status.last.step < now.step + 1000
                and status.last.step > now.step + 5
                and evaluated(status.last)
                and not status.last.fault
            )
        )
