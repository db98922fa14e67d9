# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""What the nodes of a system must agree on, and the sentence that names what they do not."""

import pytest
import yaml

import dmpcrl_ros
from dmpcrl_ros.core.settings import build, dotted, table
from dmpcrl_ros.settings.agreement import agreement, differences
from dmpcrl_ros.settings.nodes import AgentNodeSettings, MonitorSettings, PlantSettings
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.systems.linear.chain import description

LEAVE_OUT = {'lost_neighbours': 'leave-out'}
KINDS = {'agent': (AgentNodeSettings, True), 'plant': (PlantSettings, False), 'monitor': (MonitorSettings, True)}


def of(kind, **values):
    """Agreement of a node that was started with these values."""
    own, of_method = KINDS[kind]
    values = dotted(values)
    names = {entry.name for entry in table(own)}
    settings = Settings(**{name: value for name, value in values.items() if name not in names})
    return agreement(settings, build(own, values), settings.make_system(), of_method=of_method)


def compare(one, other):
    return differences({'one': one, 'other': other})


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('other', KINDS)
def test_nodes_with_the_same_settings_agree(kind, other):
    assert compare(of(kind, seed=3), of(other, seed=3)) == ''
    assert of(kind)['version of dmpcrl_ros'] == dmpcrl_ros.__version__


@pytest.mark.parametrize(
    ('kind', 'other', 'change', 'found'),
    [
        ('agent', 'agent', {'stopping__tolerance': 1e-6}, 'stopping.tolerance is 1e-09 at one and 1e-06 at other'),
        ('agent', 'agent', {'coordination': 'admm'}, 'coordination is reactions at one and admm at other'),
        ('agent', 'agent', {'learning__rate': 1e-3}, 'learning.rate is auto at one and 0.001 at other'),
        ('agent', 'agent', {'stopping__rounds': 9}, 'stopping.rounds is auto at one and 9 at other'),
        (
            'agent',
            'agent',
            {'lost_neighbours': 'leave-out'},
            'lost_neighbours is fall-back at one and leave-out at other',
        ),
        ('plant', 'agent', {'seed': 9}, 'seed is 1 at one and 9 at other'),
        ('plant', 'agent', {'learn': False}, 'learn is True at one and False at other'),
        ('plant', 'agent', {'chain__agents': 4}, 'chain.agents is 3 at one and 4 at other'),
        ('plant', 'agent', {'real_time': True}, 'real_time is False at one and True at other'),
        ('plant', 'agent', {'period': 0.2}, 'period is 0.1 at one and 0.2 at other'),
        ('plant', 'monitor', {'steps': 9}, 'steps is 1000 at one and 9 at other'),
        ('agent', 'monitor', {'stopping__rounds': 9}, 'stopping.rounds is auto at one and 9 at other'),
    ],
)
def test_a_difference_is_named_with_both_values(kind, other, change, found):
    assert compare(of(kind), of(other, **change)) == found


@pytest.mark.parametrize('change', [{'period': 0.1}, {'steps': 9}, {'round_timeout': 9.0}, {'checkpoints': 'folder'}])
def test_what_may_differ_is_not_compared(change):
    assert compare(of('plant'), of('agent', **change)) == ''


def test_the_content_of_a_file_counts_and_not_its_place(tmp_path):
    files = [tmp_path / folder / 'system.yaml' for folder in ('one', 'copy', 'other')]
    for file, noise in zip(files, (1, 1, 2), strict=True):
        file.parent.mkdir()
        file.write_text(yaml.safe_dump(description(3)) + '#' * noise)
    one, copy, other = (of('agent', system=str(file)) for file in files)
    assert compare(one, copy) == ''
    assert compare(one, other).startswith('system is a file with the SHA-256 ')


def test_many_differences_are_not_all_told():
    one, other = {str(i): 'a' for i in range(8)}, {str(i): 'b' for i in range(8)}
    assert compare(one, other).endswith('4 is a at one and b at other; and 3 more')
    assert differences({'one': one, 'two': one, 'other': other}).count('other') == 5
