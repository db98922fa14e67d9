# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Real processes, real faults: nothing hangs, nothing is lost, nothing is left behind."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
from ros_system import PATIENCE, Deployed, dmpcrl, interrupt, leftovers, recorded_steps, start_dmpcrl, wait_for

pytest.importorskip('rclpy')

import numpy as np  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessDied, ProcessGroup  # noqa: E402
from dmpcrl_ros.methods.registry import METHODS  # noqa: E402
from dmpcrl_ros.recording.run_reader import load_run  # noqa: E402
from dmpcrl_ros.systems.linear.chain import chain  # noqa: E402
from dmpcrl_ros.transport.conversions import parameters_to_msg  # noqa: E402
from dmpcrl_ros.transport.qos import EXCHANGE, LATCHED, STREAM  # noqa: E402

ONE = ['-p', 'agents:=[agent_1]']
LONG = ['chain', '--steps', 100000, '--no-figures', '--no-baseline', '--output']


def test_ctrl_c_keeps_the_results_and_leaves_nobody(tmp_path, domain):
    process = start_dmpcrl('run', *LONG, tmp_path / 'run')
    wait_for(lambda: recorded_steps(tmp_path / 'run') > 5, PATIENCE, 'the first steps')
    interrupt(process)
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and 'interrupted' in text and 'Traceback' not in text, text
    assert len(load_run(tmp_path / 'run').steps) > 5
    assert not leftovers()


def test_nobody_outlives_a_killed_command(tmp_path, domain):
    process = start_dmpcrl('run', *LONG, tmp_path / 'run')
    wait_for(lambda: recorded_steps(tmp_path / 'run') > 2, PATIENCE, 'the first steps')
    process.kill()
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not leftovers(), PATIENCE, 'the nodes to follow')


@pytest.mark.parametrize('victim', ['agent_2', 'plant', 'monitor'])
def test_all_end_when_one_dies_and_its_name_is_told(tmp_path, domain, victim):
    nodes = Deployed(steps=100000).nodes(output=str(tmp_path / 'run'))
    with pytest.raises(ProcessDied, match=f'{victim} was killed by SIGKILL'), ProcessGroup(nodes) as processes:
        wait_for(lambda: recorded_steps(tmp_path / 'run') > 2, PATIENCE, 'the first steps')
        os.kill(processes.pids()[victim], signal.SIGKILL)
        wait_for(lambda: processes.ended('monitor'), PATIENCE, 'the death to be noticed')
    assert not leftovers()
    assert len(load_run(tmp_path / 'run').steps) > 2


@pytest.fixture
def paused(outsider):
    """Starts nodes whose plant makes only the steps that are asked for with `one_step`, until it is resumed.

    So the outsider is in time for the run, however slow it is.
    """

    @contextmanager
    def started(nodes):
        managed = [
            replace(n, parameters=n.parameters | {'autostart': False}) if n.name == 'plant' else n for n in nodes
        ]
        with ProcessGroup(managed) as processes:
            change(Transition.TRANSITION_CONFIGURE)
            assert outsider.ask('/plant/pause').success
            change(Transition.TRANSITION_ACTIVATE)
            for name in ('agent_1', 'agent_2'):  # which then know the older subscriptions, too
                outsider.get_value(f'/{name}', 'seed')
            yield processes

    def change(transition):
        assert outsider.ask('/plant/change_state', ChangeState, transition=Transition(id=transition)).success

    return started


def one_step(outsider, received):
    """Let a paused plant make a step, and wait for its message."""
    count = len(received)
    assert outsider.ask('/plant/step').success
    outsider.spin_until(lambda: len(received) > count)


def test_a_frozen_agent_makes_steps_void_and_the_run_goes_on(tmp_path, outsider, paused):
    status = outsider.subscribe(msg.Status, '/agent_1/status')
    ended = outsider.subscribe(msg.Status, '/agent_2/status')
    nodes = Deployed(steps=20, seed=5, round_timeout=0.5).nodes(output=str(tmp_path / 'run'))
    with paused(nodes) as processes:
        for _ in range(4):
            one_step(outsider, status)
        frozen = status.last.step
        # In lockstep the plant waits for the action, which may have reached only some subscribers before the status.
        outsider.spin_until(lambda: ended.last.step >= frozen)
        os.kill(processes.pids()['agent_2'], signal.SIGSTOP)
        assert outsider.ask('/plant/resume').success
        outsider.spin_until(lambda: status.last.step > frozen)
        os.kill(processes.pids()['agent_2'], signal.SIGCONT)
        wait_for(lambda: processes.ended('monitor'), 2 * PATIENCE, 'the end of the run')
    run = load_run(tmp_path / 'run')
    assert run.steps.tolist() == list(range(20)) and np.isfinite(run.states).all()
    assert "no '" in run.faults[frozen], run.faults  # of the transition that ended in the step after it
    assert np.isfinite(run.metrics['td_error'][frozen + 1 :]).any(), run.faults
    for history in run.parameters.values():
        assert np.isfinite(history.theta).all() and history.updates[-1] > 0


def test_messages_that_do_not_fit_are_counted_and_change_nothing(tmp_path, outsider, paused):
    system = Deployed(steps=15, seed=5, round_timeout=20.0)
    reference = list(system.loop().run(15))
    exchange = outsider.create_publisher(msg.Exchange, '/agent_1/to/agent_2', EXCHANGE)
    states = outsider.create_publisher(msg.State, '/agent_2/state', LATCHED)
    heard = outsider.subscribe(msg.Status, '/agent_2/status')
    seen = outsider.subscribe(msg.State, '/agent_1/state')

    def disturb(state):
        now = {'run': state.run, 'step': state.step + 1}
        nan, good = [float('nan')] * 22, [0.5] * 22
        for wrong in (
            {'rows': 11, 'columns': 2, 'data': nan},
            {'rows': 3, 'columns': 2, 'data': [1.0] * 6},
            {'rows': 11, 'columns': 2, 'data': [1.0]},
            {'rows': 11, 'columns': 2, 'data': good, 'sender': 2},
            {'rows': 11, 'columns': 2, 'data': good, 'run': 1},
        ):
            exchange.publish(msg.Exchange(**(now | {'round': 0, 'kind': 'copies', 'sender': 0} | wrong)))
        states.publish(msg.State(**now, agent=1, state=[float('nan'), 0.0]))
        states.publish(msg.State(**now, agent=1, state=[0.0]))
        states.publish(msg.State(**now, agent=0, state=[0.0, 0.0]))

    with paused(system.nodes(output=str(tmp_path / 'run'))) as processes:
        for _ in range(5):
            one_step(outsider, seen)
            disturb(seen.last)
        assert outsider.ask('/plant/resume').success
        while not processes.ended('monitor'):
            outsider.spin_for(0.05)
            if seen:
                disturb(seen.pop())
                seen.clear()
        outsider.spin_until(lambda: heard.last.dropped >= 8)
    run = load_run(tmp_path / 'run')
    assert np.array_equal(run.states, [step.states for step in reference])
    assert np.array_equal(run.actions, [step.actions for step in reference])
    assert not any(run.faults)


def test_reset_begins_a_new_run_from_the_same_state_with_the_first_parameters(tmp_path, outsider):
    states = outsider.subscribe(msg.State, '/agent_1/state')
    parameters = outsider.subscribe(msg.Parameters, '/agent_1/parameters')
    reset = outsider.create_client(Trigger, '/plant/reset')
    runs = []
    with ProcessGroup(Deployed(steps=12, seed=5, round_timeout=15.0).nodes()):
        for _ in range(3):
            outsider.spin_until(lambda: states.last.run not in runs and states.last.step == 12)
            outsider.spin_until(lambda: any(m.run == states.last.run for m in parameters))
            runs.append(states.last.run)
            outsider.spin_until(reset.service_is_ready)
            reset.call_async(Trigger.Request())
    assert sorted(runs) == runs
    first, second, third = ({m.step: list(m.state) for m in states if m.run == run} for run in runs)
    assert sorted(second) == list(range(13)) and second == third  # a state can be published twice
    assert first.items() <= second.items()  # the outsider may have joined late
    begun = [next(m for m in parameters if m.run == run) for run in runs[1:]]
    assert all(m.updates == 0 and m.theta == begun[0].theta for m in begun)


def test_a_reset_ends_the_recording_at_once_and_keeps_one_run_whole(tmp_path, outsider):
    reset = outsider.create_client(Trigger, '/plant/reset')
    nodes = Deployed(steps=100000, seed=5).nodes(output=str(tmp_path / 'run'))
    with (
        pytest.raises(
            ProcessDied,
            match=r'monitor ended with exit code 1(.|\n)*another run(.|\n)*of 100000 steps are '
            'recorded',
        ),
        ProcessGroup(nodes) as processes,
    ):
        outsider.spin_until(lambda: recorded_steps(tmp_path / 'run') > 5 and reset.service_is_ready())
        reset.call_async(Trigger.Request())
        outsider.spin_until(lambda: processes.ended('monitor'))
    run = load_run(tmp_path / 'run')
    assert len(run.steps) > 5 and run.steps.tolist() == list(range(len(run.steps)))
    for history in run.parameters.values():
        assert history.updates.tolist() == list(range(len(history.updates)))


def test_a_monitor_that_is_interrupted_alone_says_so_and_the_run_fails(tmp_path, domain):
    nodes = Deployed(steps=100000).nodes(output=str(tmp_path / 'run'))
    with (
        pytest.raises(ProcessDied, match=r'monitor ended with exit code 1(.|\n)*interrupted: \d+ of 100000 steps'),
        ProcessGroup(nodes) as processes,
    ):
        wait_for(lambda: recorded_steps(tmp_path / 'run') > 2, PATIENCE, 'the first steps')
        os.kill(processes.pids()['monitor'], signal.SIGINT)
        wait_for(lambda: processes.ended('monitor'), PATIENCE, 'the end of the monitor')
    assert len(load_run(tmp_path / 'run').steps) > 2


@pytest.fixture
def lone_monitor(tmp_path, domain):
    """A monitor of five steps of one agent, without a system."""
    process = subprocess.Popen(
        [
            sys.executable,
            '-P',
            '-m',
            'dmpcrl_ros.nodes.monitor',
            '--ros-args',
            '-p',
            f'output:={tmp_path / "run"}',
            '-p',
            'chain.agents:=1',
            '-p',
            'steps:=5',
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    process.said = ''  # what a test has read
    with process:
        yield process
        process.kill()


def test_a_monitor_that_has_heard_nothing_ends_with_an_error_when_interrupted(tmp_path, lone_monitor):
    for line in lone_monitor.stdout:
        if 'waiting for' in line:
            break
    interrupt(lone_monitor)
    text, _ = lone_monitor.communicate(timeout=PATIENCE)
    assert lone_monitor.returncode == 1 and 'interrupted: 0 of 5 steps' in text and 'Traceback' not in text, text


@pytest.fixture
def lone_system(outsider, lone_monitor):
    """Publishers of the topics of one agent and its plant, once the monitor is ready; `ready`: whether the loop is
    closed by then."""

    def present(*, ready, state_first=False):
        kinds = {'state': msg.State, 'status': msg.Status, 'parameters': msg.Parameters}
        publishers = {
            kind: outsider.create_publisher(kinds[kind], f'agent_1/{kind}', LATCHED if kind == 'parameters' else STREAM)
            for kind in kinds
        }
        for member in ('agent_1', 'plant'):
            publishers[member] = outsider.create_publisher(msg.Presence, f'{member}/presence', LATCHED)
            publishers[member].publish(msg.Presence(instance=1, ready=ready))
        if state_first:
            outsider.spin_until(lambda: publishers['state'].get_subscription_count())
            publishers['state'].publish(msg.State(run=1, step=1, state=[0.5, 0.0], applied=[0.1]))
            while 'recording from step 2 on' not in lone_monitor.said:
                lone_monitor.said += lone_monitor.stdout.readline()
        layout = METHODS['q_learning'].layout(chain(1), 0)
        publishers['parameters'].publish(
            parameters_to_msg(np.ones(layout.size), layout, header=Header(), run=ready, step=7, agent=0, updates=3)
        )
        heard = outsider.subscribe(msg.Presence, 'monitor/presence', LATCHED)
        outsider.spin_until(lambda: heard.last.ready)
        return publishers

    return present


def publish_steps(publishers, steps):
    """Publish the messages of these steps."""
    for step in steps:
        publishers['state'].publish(msg.State(run=1, step=step, state=[0.5, 0.0], applied=[0.1]))
        publishers['status'].publish(msg.Status(run=1, step=step))


def test_a_message_lost_on_the_way_to_the_monitor_is_no_complete_recording(
    tmp_path, outsider, lone_monitor, lone_system
):
    publish_steps(lone_system(ready=False), [0, 1, 2, 4, 5])  # step 3 belongs to two transitions
    outsider.spin_until(lambda: lone_monitor.poll() is not None)
    text = lone_monitor.stdout.read()
    assert lone_monitor.returncode == 1 and 'lost on its way to the monitor: 3 of 5 steps' in text, text
    assert load_run(tmp_path / 'run').steps.tolist() == [0, 1, 4]


@pytest.mark.parametrize('state_first', [False, True])
def test_a_monitor_that_joins_late_records_from_there_on_and_says_so(
    tmp_path, outsider, lone_monitor, lone_system, state_first
):
    """In whatever order the present state and the latched parameters arrive."""
    publish_steps(lone_system(ready=True, state_first=state_first), [1, 2, 3, 4, 5])
    outsider.spin_until(lambda: lone_monitor.poll() is not None)
    text = lone_monitor.said + lone_monitor.stdout.read()
    assert lone_monitor.returncode == 0 and 'the run is at step 1: recording from step 2 on' in text, text
    run = load_run(tmp_path / 'run')
    assert run.steps.tolist() == [2, 3, 4]
    assert (run.parameters['agent_1'].steps.tolist(), run.parameters['agent_1'].updates.tolist()) == ([7], [3])


@pytest.mark.parametrize(
    ('node', 'arguments', 'message'),
    [
        ('agent', [*ONE, '-p', 'admm.iterations:=-3'], 'admm.iterations must be from 1 to 10000, or auto'),
        ('agent', [*ONE, '-p', 'admm.iterations:=many'], "admm.iterations must be a whole number or auto, not 'many'"),
        ('agent', [*ONE, '-p', 'admm.iteration:=3'], "no parameter 'admm.iteration'; did you mean 'admm.iterations'?"),
        ('agent', [*ONE, '-p', 'admm.warm_start:=maybe'], 'admm.warm_start must be true or false'),
        ('agent', ['-p', 'agents:=[agent_9]'], "no agent 'agent_9'"),
        ('agent', [], 'agents must name the agents that this node runs'),
        ('agent', ['-p', 'agents:=[agent_1, agent_1]'], 'agents must be different, not agent_1, agent_1'),
        ('agent', [*ONE, '-p', 'system:=ring'], "no system 'ring'"),
        ('agent', [*ONE, '-p', 'method:=magic'], "no method 'magic'; there are q_learning"),
        ('agent', [*ONE, '-p', 'learning.order:=third'], 'learning.order must be one of'),
        ('plant', ['-p', 'period:=-1.0'], 'period must be'),
        ('plant', ['-p', 'hold_stpes:=1'], "no parameter 'hold_stpes'; did you mean 'hold_steps'?"),
        ('monitor', [], 'output must name'),
        ('relay', ['-p', 'loss:=1.5'], 'loss must be from 0 to 1'),
        ('relay', ['-p', 'deaths:="1:2"'], "deaths must be agent:step:round:returns, ..., not '1:2'"),
        ('relay', ['-p', 'deaths:="1:9:0:4"'], 'agent 1 returns at step 4, but dies at step 9'),
        ('relay', ['-p', 'log:=/nowhere/faults.csv'], 'log cannot be written'),
    ],
)
def test_a_wrong_parameter_stops_the_node_at_the_start_with_its_name(domain, node, arguments, message):
    done = subprocess.run(
        [sys.executable, '-P', '-m', f'dmpcrl_ros.nodes.{node}', '--ros-args', *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and 'Traceback' not in done.stderr, done.stderr


@pytest.mark.parametrize('node', ['agent', 'plant', 'monitor', 'relay'])
@pytest.mark.parametrize(
    ('number', 'arguments', 'message'),
    [
        ('abc', [], "ROS_DOMAIN_ID must be a whole number from 0 to 232, not 'abc'"),
        ('7', ['--ros-args', '-p', 'steps'], "parameter override rule: '-p steps'"),
    ],
)
def test_what_ros_cannot_start_with_is_said(domain, monkeypatch, node, number, arguments, message):
    monkeypatch.setenv('ROS_DOMAIN_ID', number)
    done = subprocess.run(
        [sys.executable, '-P', '-m', f'dmpcrl_ros.nodes.{node}', *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and last.startswith(f'dmpcrl_{node}: ') and message in last, done.stderr
    assert 'Traceback' not in done.stderr, done.stderr


def test_an_agent_whose_network_does_not_come_ends_and_says_who_is_missing(domain):
    done = subprocess.run(
        [sys.executable, '-P', '-m', 'dmpcrl_ros.nodes.agent', '--ros-args', *ONE, '-p', 'start_timeout:=1.0'],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1 and 'still not connected to agent_2, plant' in done.stderr, done.stderr


def test_a_second_run_in_the_same_directory_is_refused(tmp_path, domain):
    arguments = ['chain', '--steps', 3, '--no-figures', '--no-baseline', '--output', tmp_path / 'run']
    assert dmpcrl('run', *arguments).returncode == 0
    before = (tmp_path / 'run' / 'steps.csv').read_bytes()
    again = dmpcrl('run', *arguments)
    assert again.returncode != 0 and 'already' in again.stderr and 'Traceback' not in again.stderr
    assert (tmp_path / 'run' / 'steps.csv').read_bytes() == before


def test_a_checkout_in_the_current_folder_does_not_hide_the_installed_package(tmp_path, domain, monkeypatch):
    """make demo is run from the folder of the sources, which have no compiled messages."""
    (tmp_path / 'dmpcrl_ros').mkdir()
    (tmp_path / 'dmpcrl_ros' / '__init__.py').write_text('raise ImportError("the sources, not the package")')
    monkeypatch.chdir(tmp_path)
    done = dmpcrl('run', 'chain', '--steps', 2, '--no-figures', '--no-baseline', '--output', tmp_path / 'run')
    assert done.returncode == 0, done.stdout + done.stderr
