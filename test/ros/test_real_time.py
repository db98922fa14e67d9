# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Real time: the plant does not wait, agents act in time, and nodes that die return."""

import os
import re
import signal
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import yaml
from helpers import ring_description
from ros_system import PATIENCE, Deployed, leftovers, recorded_steps, stable_chain, wait_for

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402
from dmpcrl_ros.recording.run_reader import load_run  # noqa: E402

AGENT = 'agent_1: controller'  # in the diagnostics
FAST = {'real_time': True, 'coordination': 'admm', 'admm__iterations': 10, 'seed': 5, 'learning__exploration': False}


def respawning(nodes, *labels):
    return [replace(node, respawn=node.name in labels) for node in nodes]


def metric(status, name):
    return dict(zip(status.metric_names, status.metrics, strict=True))[name]


def evaluated(status):
    return not np.isnan(metric(status, 'td_error'))


@contextmanager
def explained(processes):
    """Add the output of the nodes to a failure."""
    try:
        yield
    except AssertionError as failure:
        failure.add_note('\n'.join(f'{label}: {line}' for label, line in processes.output(timeout=0.5)))
        raise


def kill(processes, label):
    os.kill(processes.pids()[label], signal.SIGKILL)


def test_with_time_enough_the_numbers_are_those_of_lockstep(tmp_path, domain):
    settings = Deployed(real_time=True, period=4.0, steps=3, seed=5)
    with ProcessGroup(settings.nodes(output=str(tmp_path / 'run'))) as processes:
        wait_for(lambda: processes.ended('monitor'), 2 * PATIENCE, 'the end of the run')
    run, loop = load_run(tmp_path / 'run'), settings.loop()
    steps = list(loop.run(3))
    for name in ('states', 'actions', 'costs'):
        assert np.array_equal(getattr(run, name), [getattr(step, name) for step in steps]), name
    assert np.array_equal(run.metrics['td_error'], [step.metrics['td_error'] for step in steps], equal_nan=True)
    assert not any(run.faults)
    for history, agent in zip(run.parameters.values(), loop.agents, strict=True):
        assert np.array_equal(history.theta[-1], agent.mpc.theta)


def test_where_there_is_no_time_for_all_iterations_agents_act_on_what_they_have(tmp_path, domain):
    """10,000 iterations do not fit into a period of 0.3 s; the action comes in time all the same."""
    settings = Deployed(**FAST | {'admm__iterations': 10000}, period=0.3, steps=12)
    with ProcessGroup(settings.nodes(output=str(tmp_path / 'run'))) as processes:
        wait_for(lambda: processes.ended('monitor'), PATIENCE, 'the end of the run')
    run = load_run(tmp_path / 'run')
    assert all(run.faults[1:]) and sum('out of time' in fault for fault in run.faults) > 5, run.faults
    assert np.isnan(run.metrics['td_error']).all() and (np.abs(run.actions) > 1e-6).any()
    for history in run.parameters.values():
        assert len(history.theta) == 1


@pytest.mark.parametrize('lost_neighbours', ['fall-back', 'leave-out'])
def test_an_agent_that_is_killed_comes_back_with_what_it_has_learned(tmp_path, outsider, lost_neighbours):
    settings = Deployed(
        **FAST,
        system=stable_chain(tmp_path),
        period=0.2,
        steps=100000,
        checkpoints=str(tmp_path / 'kept'),
        checkpoint_every=1,
        round_timeout=0.1,
        lost_neighbours=lost_neighbours,
        fallback_steps=2,
        hold_steps=1,
    )
    states, parameters = (
        outsider.subscribe(msg.State, '/agent_2/state'),
        outsider.subscribe(msg.Parameters, '/agent_2/parameters'),
    )
    others = outsider.subscribe(msg.Status, '/agent_1/status')
    neighbours = outsider.subscribe(msg.Parameters, '/agent_1/parameters')
    with ProcessGroup(respawning(settings.nodes(), 'agent_2')) as processes, explained(processes):
        outsider.spin_until(lambda: states and parameters.last.updates >= 5)
        del states[:-1]  # a subscriber that has just joined may miss some
        kill(processes, 'agent_2')
        outsider.spin_for(0.5)
        killed = outsider.subscribe(msg.State, '/agent_2/state').last.step

        def away_after():
            return max(parameters.last.step + 6, killed + 3)

        outsider.spin_until(
            lambda: states.last.step > away_after() + 6 and sum(m.step > away_after() for m in others) > 5
        )
        before, left, gone = parameters.last, away_after(), states.last.step

        def together():
            newest = [m for m in others if m.step > gone][-6:]
            return len(newest) == 6 and evaluated(newest[0]) and not any('lost' in m.fault for m in newest)

        # Asking starts it again.
        outsider.spin_until(lambda: not processes.ended('plant') and parameters.last.updates > before.updates + 3)
        outsider.spin_until(together)
        told = next(line for _, line in processes.output(PATIENCE) if 'agent_2 continues from' in line)
    recovered = int(re.search(r'continues from (\d+) updates', told)[1])
    assert gone >= 13 and [s.step for s in states] == list(range(states[0].step, states.last.step + 1))
    assert all(abs(a) <= 1.0 for state in states for a in state.applied)
    away = [state for state in states if left < state.step <= gone]
    assert away and all(state.applied[0] == 0.0 for state in away)  # the watchdog of the plant: the safe input
    assert before.updates - 1 <= recovered <= before.updates + 1  # it may die during a save, or right after one
    assert all(np.isfinite(m.theta).all() for m in neighbours)
    assert not [m for m in neighbours if left < m.step <= gone]  # no agent learns without it
    faults = [m.fault for m in others if left < m.step < gone]
    assert faults and all(faults)
    expected = 'lost: last prediction held' if lost_neighbours == 'leave-out' else 'nothing from agent_2'
    assert any(expected in fault for fault in faults), faults
    fallbacks = [m.fallback for m in others if left < m.step < gone]
    assert all(fallbacks) if lost_neighbours == 'fall-back' else sum(fallbacks) <= len(fallbacks) / 2


def test_the_rest_of_a_ring_works_along_another_tree_until_a_killed_agent_is_back(tmp_path, outsider):
    """Agent 3 has no edge to agent 1, and hears from agents 0 and 2 which edges are cut."""
    (tmp_path / 'ring.yaml').write_text(yaml.safe_dump(ring_description(4)))
    settings = Deployed(
        real_time=True,
        system=str(tmp_path / 'ring.yaml'),
        period=0.3,
        steps=100000,
        round_timeout=0.1,
        lost_neighbours='leave-out',
        learning__exploration=False,
    )
    others = [outsider.subscribe(msg.Status, f'/agent_{i}/status') for i in (0, 2, 3)]

    with ProcessGroup(respawning(settings.nodes(), 'agent_1')) as processes, explained(processes):
        outsider.spin_until(lambda: all(each and evaluated(each.last) for each in others))
        kill(processes, 'agent_1')
        outsider.spin_until(
            lambda: (
                all(metric(each.last, 'certified') == 1.0 for each in others)
                and others[-1].last.fault == 'a neighbour is lost'
            )
        )
        # Asking starts it again.
        outsider.spin_until(
            lambda: (
                not processes.ended('plant') and all(evaluated(each.last) and not each.last.fault for each in others)
            )
        )


def test_a_plant_that_is_killed_is_started_again_and_the_agents_go_on_with_what_they_know(tmp_path, outsider):
    settings = Deployed(**FAST, period=0.1, steps=100000, checkpoints=str(tmp_path))
    states, parameters = (
        outsider.subscribe(msg.State, '/agent_1/state'),
        outsider.subscribe(msg.Parameters, '/agent_1/parameters'),
    )
    with ProcessGroup(respawning(settings.nodes(), 'plant')) as processes:
        outsider.spin_until(lambda: states and parameters.last.updates >= 5)
        kill(processes, 'plant')
        outsider.spin_for(1.0)
        before, run = parameters.last.updates, states.last.run
        time.sleep(2.0)
        assert not processes.ended('agent_1')
        outsider.spin_until(
            lambda: (
                states.last.run > run and parameters.last.run == states.last.run and parameters.last.updates > before
            )
        )
    assert all(m.updates >= before for m in parameters if m.run == states.last.run)


def test_the_loop_goes_on_without_its_monitor(tmp_path, outsider):
    states = outsider.subscribe(msg.State, '/agent_1/state')
    with ProcessGroup(Deployed(**FAST, steps=100000).nodes(output=str(tmp_path / 'run'))) as processes:
        outsider.spin_until(lambda: len(states) > 5 and recorded_steps(tmp_path / 'run') > 0)
        kill(processes, 'monitor')
        outsider.spin_for(0.2)
        last = states.last.step
        outsider.spin_until(lambda: states.last.step > last + 10)
    assert recorded_steps(tmp_path / 'run') > 0 and not leftovers()


def test_pause_single_steps_and_going_on(outsider):
    states, parameters = (
        outsider.subscribe(msg.State, '/agent_1/state'),
        outsider.subscribe(msg.Parameters, '/agent_1/parameters'),
    )
    with ProcessGroup(Deployed(**FAST, period=0.1, steps=100000).nodes()):
        outsider.spin_until(lambda: parameters.last.step > 3)
        assert outsider.ask('/plant/pause').success
        late = (
            outsider.subscribe(msg.State, '/agent_1/state'),
            outsider.subscribe(msg.Parameters, '/agent_1/parameters'),
        )
        paused = late[0].last.step
        outsider.spin_until(lambda: [each.last for each in late] == [states.last, parameters.last])
        # The plant repeats its state, so that subscribers do not report a missing plant.
        outsider.spin_until(lambda: [m.step for m in states].count(paused) > 1)
        assert states.last.step == paused
        for count in (1, 2):
            outsider.ask('/plant/step')
            outsider.spin_until(lambda: states.last.step == paused + count)  # noqa: B023
            outsider.spin_for(0.4)
            assert states.last.step == paused + count
        outsider.ask('/plant/resume')
        outsider.spin_until(lambda: states.last.step > paused + 6)


def test_time_runs_at_the_declared_speed(outsider):
    received = outsider.subscribe(msg.State, '/agent_1/state', take=lambda m: (time.monotonic(), m))
    with ProcessGroup(Deployed(**FAST, period=1.0, speed=5.0, steps=100000).nodes()):
        outsider.spin_until(lambda: len(received) > 40)
    (_, first), (_, last) = received[0], received[-1]
    assert last.header.stamp.sec - first.header.stamp.sec == last.step - first.step
    # A busy machine delays messages, but not all of them.
    delays = [moment - (m.step + m.skipped) / 5.0 for moment, m in received]
    assert abs(min(delays[:20]) - min(delays[20:])) < 0.5


def test_diagnostics_tell_how_agents_and_plant_are(outsider):
    found = {}
    outsider.create_subscription(
        DiagnosticArray, '/diagnostics', lambda m: found.setdefault(m.status[0].name, []).append(m.status[0]), 10
    )
    with ProcessGroup(
        Deployed(**FAST, period=0.2, steps=100000, diagnostics_period=0.2, round_timeout=0.15).nodes()
    ) as processes:
        outsider.spin_until(lambda: len(found) == 4 and all(len(each) > 5 for each in found.values()))

        def values():
            return {item.key: item.value for item in found[AGENT][-1].values}

        # A busy machine gives up some steps in their first round.
        outsider.spin_until(
            lambda: (
                {b'\0'} == {found[name][-1].level for name in (AGENT, 'plant: control loop')}
                and int(values()['rounds']) > 10
            )
        )
        assert values()['learning'] == 'on' and values()['stale neighbours'] == 'none'
        os.kill(processes.pids()['agent_2'], signal.SIGSTOP)
        outsider.spin_until(lambda: 'agent_2' in values()['stale neighbours'])
        outsider.spin_until(lambda: found['plant: control loop'][-1].level == b'\2')
        os.kill(processes.pids()['agent_2'], signal.SIGCONT)
        outsider.spin_until(lambda: found[AGENT][-1].level == b'\0')
