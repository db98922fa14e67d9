# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Nodes that do not fit together refuse to begin and name the difference; a second instance of a member is refused."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ros_system import PATIENCE, Deployed, stable_chain

pytest.importorskip('rclpy')

from dmpcrl_ros import msg  # noqa: E402
from dmpcrl_ros.cli.processes import ProcessDied, ProcessGroup  # noqa: E402
from dmpcrl_ros.nodes import presence as presence_module  # noqa: E402
from dmpcrl_ros.nodes.common import NodeFailure  # noqa: E402
from dmpcrl_ros.systems.linear.chain import description  # noqa: E402
from dmpcrl_ros.transport.qos import LATCHED  # noqa: E402

QUICK = Deployed(coordination='admm', admm__iterations=5, steps=100000)


def with_change(nodes, name, **parameters):
    return [replace(n, parameters=n.parameters | parameters) if n.name == name else n for n in nodes]


def last_words(processes):
    """Last lines of the first node that fails."""
    lines, deadline = [], time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            lines += [f'{name}: {line}' for name, line in processes.output(timeout=0.1)]
            processes.ended(next(iter(processes.pids())))
        except ProcessDied as death:
            return ' '.join(str(death).split())
    pytest.fail('\n'.join([f'no node ended within {PATIENCE} s:', *lines[-50:]]))


@pytest.mark.parametrize(
    ('name', 'change', 'difference'),
    [
        ('agent_2', {'admm.rho': 0.7}, 'admm.rho is '),
        ('agent_3', {'learning.rate': 1e-3}, 'learning.rate is '),
        ('agent_1', {'admm.iterations': 6}, 'admm.iterations is '),
        ('plant', {'seed': 7}, 'seed is '),
    ],
)
def test_nodes_with_other_settings_refuse_to_begin(domain, name, change, difference):
    with ProcessGroup(with_change(QUICK.nodes(), name, **change)) as processes:
        text = last_words(processes)
    assert 'exit code 1' in text and difference in text, text
    assert text.endswith('start all nodes of a system with the same settings, files and version'), text
    assert f' at {name}' in text


def test_members_that_start_later_hear_of_the_difference_too(outsider):
    """The first ones know of it at once; they stay until the others have announced themselves."""
    nodes = with_change(QUICK.nodes(), 'agent_2', **{'learning.rate': 1e-3})
    first = {'agent_1', 'agent_2'}
    heard = [outsider.subscribe(msg.Presence, f'{name}/presence', LATCHED) for name in sorted(first)]
    with ExitStack() as stack:
        started = [stack.enter_context(ProcessGroup([node])) for node in nodes if node.name in first]
        outsider.spin_until(lambda: all(heard))
        outsider.spin_for(1.0)
        started += [stack.enter_context(ProcessGroup([node])) for node in nodes if node.name not in first]
        texts = [last_words(each) for each in started]
    assert len(texts) == 4 and all('learning.rate is ' in text and ' at agent_2' in text for text in texts), texts


def test_a_member_that_differs_waits_for_all_others_and_is_never_ready(outsider):
    one = presence_module.Presence(outsider, 'agent_1', {'seed': '1'}, ['agent_2', 'plant'])
    presence_module.Presence(outsider, 'agent_2', {'seed': '2'}, ['agent_1'])
    difference = 'seed is 1 at agent_1 and 2 at agent_2'
    outsider.spin_until(lambda: one.compare() == difference)
    presence_module.check([one])
    assert {'plant', difference} <= set(one.missing())
    plant = presence_module.Presence(outsider, 'plant', {'seed': '1'}, [])

    def refuses():
        presence_module.check([one])
        assert difference in one.missing()

    with pytest.raises(NodeFailure, match=f'^{difference}: start all nodes of a system with the same settings'):
        outsider.spin_until(refuses)
    plant.check_alone()


def test_a_process_with_several_members_waits_for_the_others_of_all_of_them(outsider):
    members = [
        presence_module.Presence(outsider, 'agent_1', {'seed': '1'}, ['plant']),
        presence_module.Presence(outsider, 'agent_2', {'seed': '1'}, ['plant', 'agent_3']),
    ]
    plant = presence_module.Presence(outsider, 'plant', {'seed': '2'}, [])
    outsider.spin_until(lambda: not members[0].unheard() and members[0].compare())
    presence_module.check(members)
    presence_module.Presence(outsider, 'agent_3', {'seed': '1'}, [])
    with pytest.raises(NodeFailure, match='seed is 1 at agent_1 and 2 at plant'):
        outsider.spin_until(lambda: presence_module.check(members))
    plant.check_alone()


def test_nodes_with_another_file_refuse_to_begin(domain, tmp_path):
    paths = [tmp_path / name for name in ('one.yaml', 'other.yaml')]
    for path, seed in zip(paths, (1, 2), strict=True):
        chain = description(3)
        chain['agents'][0]['initial_state'][0] += 0.01 * seed
        path.write_text(yaml.safe_dump(chain))
    nodes = QUICK.but(system=str(paths[0])).nodes()
    with ProcessGroup(with_change(nodes, 'agent_1', system=str(paths[1]))) as processes:
        text = last_words(processes)
    assert 'system is a file with the SHA-256' in text and 'at agent_1' in text, text


@pytest.mark.parametrize('name', ['agent_2', 'plant'])
def test_a_second_instance_is_refused_and_the_first_goes_on(outsider, name):
    states = outsider.subscribe(msg.State, 'agent_1/state')
    nodes = QUICK.nodes()
    with ProcessGroup(nodes) as processes:
        outsider.spin_until(lambda: states.last.step > 2)
        with ProcessGroup([node for node in nodes if node.name == name]) as second:
            text = last_words(second)
        assert f'there is another {name} in the namespace /: end it' in text, text
        outsider.spin_for(0.2)
        before = states.last.step
        outsider.spin_until(lambda: states.last.step > before + 2)
        assert not processes.ended('plant') and len({state.run for state in states}) == 1


def test_of_two_instances_that_wait_the_younger_is_refused(outsider):
    heard = outsider.subscribe(msg.Presence, 'agent_2/presence', LATCHED)
    (agent,) = [node for node in QUICK.nodes() if node.name == 'agent_2']
    with ProcessGroup([agent]) as elder:
        outsider.spin_until(lambda: heard)
        with ProcessGroup([agent]) as younger:
            assert 'there is another agent_2 in the namespace /' in last_words(younger)
        assert elder.wait(0.5) == {'agent_2': None}


def test_an_agent_that_was_frozen_gives_way_to_the_one_that_replaced_it(tmp_path, outsider):
    actions = outsider.subscribe(msg.Action, 'agent_2/action')
    heard = outsider.subscribe(msg.Presence, 'agent_2/presence', LATCHED)
    nodes = QUICK.but(real_time=True, system=stable_chain(tmp_path)).nodes()
    (agent,) = [node for node in nodes if node.name == 'agent_2']

    def acts_again():
        outsider.spin_for(0.2)
        seen = len(actions)
        outsider.spin_until(lambda: len(actions) > seen + 2)

    with ProcessGroup(nodes) as first:
        outsider.spin_until(lambda: actions)
        elder, frozen = heard.last.instance, first.pids()['agent_2']
        os.kill(frozen, signal.SIGSTOP)
        try:
            with ProcessGroup([agent]) as second:
                outsider.spin_for(5.0)  # a shorter silence is no freeze; after it, no action of the elder is on its way
                outsider.spin_until(lambda: heard.last.instance != elder and heard.last.ready)
                acts_again()
                os.kill(frozen, signal.SIGCONT)
                assert 'another agent_2 in the namespace / has replaced this one, which was frozen' in last_words(first)
                acts_again()
                assert not second.ended('agent_2')
        finally:
            if Path(f'/proc/{frozen}').exists():
                os.kill(frozen, signal.SIGCONT)


@pytest.mark.parametrize('froze', [True, False])
def test_of_two_ready_instances_the_elder_gives_way_only_if_it_was_frozen(outsider, monkeypatch, froze):
    """However late the messages of the younger one are received."""
    clock = SimpleNamespace(time_ns=time.time_ns, monotonic=lambda: clock.ahead, ahead=0.0)
    monkeypatch.setattr(presence_module, 'time', clock)
    elder = presence_module.Presence(outsider, 'agent_2', {}, [])
    elder.announce(ready=True)
    outsider.spin_for(0.2)
    younger = presence_module.Presence(outsider, 'agent_2', {}, [])
    for pause in (6.0 if froze else 4.0, 4.0, 4.0):
        clock.ahead += pause
        elder.check_alone()
    younger.announce(ready=True)
    loser, keeper = (elder, younger) if froze else (younger, elder)
    with pytest.raises(NodeFailure, match='which was frozen' if froze else 'there is another agent_2'):
        outsider.spin_until(loser.check_alone)
    keeper.check_alone()
