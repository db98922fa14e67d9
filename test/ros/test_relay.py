# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Real processes and a relay between them: its faults can be replayed, and the network copes with them."""

import csv
from functools import cache

import numpy as np
import pytest
from ros_system import PATIENCE, Deployed, wait_for

pytest.importorskip('rclpy')

from dmpcrl_ros.cli.processes import ProcessGroup  # noqa: E402
from dmpcrl_ros.core.engine import GIVEN_UP, OUT_OF_TIME  # noqa: E402
from dmpcrl_ros.core.settings import build  # noqa: E402
from dmpcrl_ros.nodes.relay import plan_of  # noqa: E402
from dmpcrl_ros.recording.run_reader import load_run  # noqa: E402
from dmpcrl_ros.settings.nodes import RelaySettings  # noqa: E402
from dmpcrl_ros.simulation.lockstep import step_in_lockstep  # noqa: E402
from dmpcrl_ros.simulation.virtual_time import VirtualTimeNetwork  # noqa: E402
from dmpcrl_ros.testing.fault_plan import CORRUPTIONS, Death, FaultPlan  # noqa: E402

# What is lost is lost.
SETTINGS = Deployed(steps=24, seed=5, coordination='admm', admm__iterations=5, round_timeout=20, resend_after=None)


def run_through_relay(folder, plan, settings=SETTINGS, faulty_plant=False, **timing):
    """The recording and the relay's log of faults, one tuple of texts for each message that was hit."""
    log = folder / 'faults.csv'
    nodes = settings.but(**timing).nodes(
        output=str(folder / 'run'), faults=plan, fault_log=str(log), faulty_plant=faulty_plant
    )
    with ProcessGroup(nodes) as processes:
        wait_for(lambda: processes.ended('monitor'), PATIENCE, 'the end of the run')
    with open(log, newline='') as file:
        return load_run(folder / 'run'), [tuple(row.values()) for row in csv.DictReader(file)]


@cache
def in_process(settings=SETTINGS, drive=step_in_lockstep):
    loop = settings.loop(drive=drive)
    return list(loop.run(settings.settings.steps)), [agent.theta for agent in loop.agents]


def assert_same(run, steps, thetas):
    for name in ('states', 'actions', 'costs'):
        assert np.array_equal(getattr(run, name), [getattr(step, name) for step in steps]), name
    assert np.array_equal(run.metrics['td_error'], [step.metrics['td_error'] for step in steps], equal_nan=True)
    for history, theta in zip(run.parameters.values(), thetas, strict=True):
        assert np.array_equal(history.theta[-1], theta)


def test_the_relay_is_told_the_whole_plan_and_receivers_hear_it():
    plan = FaultPlan(
        seed=3,
        loss=0.1,
        delay_probability=0.2,
        delay=0.3,
        duplication=0.4,
        reordering=0.5,
        hit_steps=0.7,
        corruption=0.6,
        deaths=(Death(1, 2, 3, 4), Death(0, 5, 0, 7)),
    )
    nodes = {node.name: node for node in SETTINGS.nodes(output='run', faults=plan, faulty_plant=True)}
    assert plan_of(build(RelaySettings, nodes['relay'].parameters)) == plan
    assert nodes['agent_1'].remappings == (
        ('agent_2/to/agent_1', 'relayed/agent_2/to/agent_1'),
        ('agent_1/state', 'relayed/agent_1/state'),
    )
    assert [topic for topic, _ in nodes['plant'].remappings] == [f'agent_{i}/action' for i in (1, 2, 3)]
    assert not nodes['monitor'].remappings and not nodes['relay'].remappings
    assert not any(node.remappings for node in SETTINGS.nodes())


@pytest.mark.parametrize('faulty_plant', [False, True], ids=['exchanges', 'all'])
def test_without_faults_the_numbers_are_those_in_one_process(tmp_path, domain, faulty_plant):
    run, hit = run_through_relay(tmp_path, FaultPlan(), faulty_plant=faulty_plant)
    assert not any(run.faults) and not hit
    assert_same(run, *in_process())


def test_late_doubled_and_overtaken_messages_change_no_number(tmp_path, domain):
    plan = FaultPlan(seed=2, delay_probability=0.1, delay=0.02, duplication=0.2, reordering=0.1)
    run, hit = run_through_relay(tmp_path, plan, faulty_plant=True)
    assert {'duplicated', 'delayed', 'reordered'} <= {word for row in hit for word in row[-1].split()}
    assert {'copies', 'averages', 'consensus', 'state', 'action'} <= {row[4] for row in hit}
    assert not any(run.faults)
    assert_same(run, *in_process())


def test_losses_make_steps_void_and_the_same_seed_loses_the_same_messages(tmp_path, domain):
    """And the numbers are those of the same plan in one process. Four steps may lose some messages."""
    plan = FaultPlan(seed=44, hit_steps=0.2, loss=0.1)
    drive = VirtualTimeNetwork(plan, SETTINGS.settings.make_system().graph.neighbours)
    steps, thetas = in_process(drive=drive)
    run, hit = run_through_relay(tmp_path, plan, round_timeout=2)
    agents = SETTINGS.settings.make_system().names
    lost = {
        (agents.index(s), agents.index(r), int(step), int(number), kind)
        for s, r, step, number, kind, _, fate in hit
        if fate == 'lost' and kind not in (GIVEN_UP, OUT_OF_TIME)
    }
    assert lost and all(not plan.copies(*message) for message in lost)
    assert lost == {message for message in drive.lost if message[-1] not in (GIVEN_UP, OUT_OF_TIME)}
    assert run.steps.tolist() == list(range(SETTINGS.settings.steps)) and np.abs(run.actions).max() <= 1.0
    assert [bool(fault) for fault in run.faults] == [any(step.faults) for step in steps]
    assert_same(run, steps, thetas)


def test_a_loss_in_the_last_round_of_a_step_does_not_spoil_the_next_one(tmp_path, domain):
    """Agent 3 is cut off for the last of the 16 rounds of learning. Agent 1 does not notice: it begins the next step
    while the others still wait, and waits for them."""
    settings = SETTINGS.but(learning__exploration=False)
    plan = FaultPlan(deaths=tuple(Death(agent=2, step=step, round=15, returns=step + 1) for step in (5, 14)))
    steps, thetas = in_process(settings, VirtualTimeNetwork(plan, settings.settings.make_system().graph.neighbours))
    run, _ = run_through_relay(tmp_path, plan, settings, round_timeout=2)
    assert [step + 1 for step, fault in zip(run.steps, run.faults, strict=True) if "no '" in fault] == [5, 14]
    assert_same(run, steps, thetas)


def test_all_faults_at_once_are_survived(tmp_path, domain):
    """States and actions, too: the plant asks again for lost ones."""
    plan = FaultPlan(
        seed=11,
        hit_steps=0.3,
        loss=0.05,
        corruption=0.1,
        delay_probability=0.1,
        delay=0.02,
        duplication=0.1,
        reordering=0.1,
    )
    run, hit = run_through_relay(tmp_path, plan, SETTINGS.but(steps=12), round_timeout=0.3, faulty_plant=True)
    words = {word for row in hit for word in row[-1].split()}
    assert {'lost', 'delayed', 'duplicated', 'reordered'} <= words and words & set(CORRUPTIONS)
    assert run.steps.tolist() == list(range(12)) and np.abs(run.actions).max() <= 1.0
    assert {'state', 'action'} <= {row[4] for row in hit if row[-1] == 'lost'}
    assert any(run.faults) and not all(run.faults) and np.isfinite(run.states).all()


def test_a_fifth_of_all_messages_lost_or_late_changes_no_number_where_they_are_sent_again(tmp_path, domain):
    plan = FaultPlan(seed=3, loss=0.2, delay_probability=0.05, delay=0.2, duplication=0.1, reordering=0.1)
    settings = SETTINGS.but(steps=12, resend_after=0.02)
    run, hit = run_through_relay(tmp_path, plan, settings)
    assert sum(row[-1] == 'lost' for row in hit) > 0.15 * len(hit) > 30 and not any(run.faults)
    assert_same(run, *in_process(settings))
