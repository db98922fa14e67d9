# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The commands from their arguments to what they print and leave behind."""

import csv
import os
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from dmpcrl_ros.cli import commands
from dmpcrl_ros.cli.commands import main
from dmpcrl_ros.core.settings import table
from dmpcrl_ros.recording.run_reader import load_run
from dmpcrl_ros.settings.deployment import DeploymentSettings
from dmpcrl_ros.settings.run import Settings, settings_table
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.systems.linear.description import from_description

QUICK = ('--steps', 3, '--coordination', 'admm', '--admm.iterations', 2, '--no-figures')


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def invoke(*arguments):
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def lines(*arguments):
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


@pytest.mark.parametrize(
    ('arguments', 'name'),
    [
        ([], 'chain-mallick2024-q_learning'),
        (['chain', '--chain.variant', 'mallick2025', '--method', 'nominal_mpc'], 'chain-mallick2025-nominal_mpc'),
        (['power_grid', '--no-learn'], 'power_grid-q_learning'),
        (['spaced.yaml', '--method', 'nominal_mpc'], 'a_b_c-nominal_mpc'),
    ],
)
def test_a_run_goes_to_a_directory_named_after_system_and_method(arguments, name):
    description = yaml.safe_load('\n'.join(lines('template')))
    Path('spaced.yaml').write_text(yaml.safe_dump(description | {'name': 'a b/../c'.replace('..', ' ')}))
    lines('train', *arguments, *QUICK)
    (made,) = Path('runs').iterdir()
    assert re.fullmatch(name + r'-\d{8}-\d{6}', made.name)
    assert len(load_run(made).steps) == 3


@pytest.mark.parametrize(
    ('options', 'compared'),
    [
        ([], True),
        (['--no-baseline'], False),
        (['--no-learn'], False),
        (['--method', 'nominal_mpc'], False),
        (['--steps', 1], False),
    ],
)  # the first update is made in step 2
def test_the_untrained_controller_runs_beside_what_has_learned(options, compared):
    done = invoke('train', *QUICK, *options, '--output', 'run')
    assert done.exit_code == 0, done.output
    assert Path('run', 'untrained.csv').exists() == compared == ('untrained' in done.output)


def test_the_twin_is_trained_where_the_method_has_one():
    lines('train', *QUICK, '--central', '--output', 'run')
    run = load_run('run')
    assert run.configuration['extra']['central'] and set(run.rounds) == {0}
    refused = invoke('train', *QUICK, '--central', '--learning.order', 'second-as-released', '--output', 'other')
    assert refused.exit_code == 1 and 'has no centralised twin' in refused.output and not Path('other').exists()
    lines('train', *QUICK, '--central', '--learning.order', 'second-as-released', '--no-learn', '--output', 'other')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ['train', '--method', 'magic'],
            "Error: there is no method 'magic'; there are q_learning, nominal_mpc, scenario_mpc",
        ),
        (['nodes', 'ring'], "Error: there is no system 'ring'; there are chain, power_grid; a file must end in .yaml"),
        (
            ['run', 'ring', '--method', 'magic'],
            "Error: there is no method 'magic'; there are q_learning, nominal_mpc, scenario_mpc",
        ),
    ],
)
def test_unknown_names_give_one_line(arguments, message):
    done = invoke(*arguments)
    assert (done.exit_code, done.output) == (2, message + '\n')


def test_commands_stand_in_groups_with_whole_sentences():
    shown = invoke('--help').output
    for heading in ('Run:', 'Results:', 'Systems, methods and settings:', 'Installation:'):
        assert f'\n{heading}\n' in shown
    assert 'Other commands' not in shown and '...\n' not in shown.partition('Options:')[2]


@pytest.mark.parametrize('name', ['runs/[x]', 'runs/[/red]', '1e3', '0908'])
def test_paths_are_printed_as_they_are(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert lines('train', *QUICK, '--output', name)[-1] == f'run:    {name}'
    assert (tmp_path / name / 'steps.csv').exists()


def test_the_home_directory_may_stand_in_the_value_of_an_option(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    monkeypatch.chdir(tmp_path)
    lines('train', *QUICK, '--output=~/kept')
    assert (tmp_path / 'home' / 'kept' / 'steps.csv').exists() and not (tmp_path / '~').exists()


@pytest.mark.parametrize('command', ['run', 'train', 'nodes'])
@pytest.mark.parametrize('method', ['q_learning', 'scenario_mpc'])
def test_the_help_fits_two_screens(command, method):
    shown = CliRunner().invoke(main, [command, '--method', method, '--help'], terminal_width=110).output
    assert len(shown.splitlines()) <= 100 and max(map(len, shown.splitlines())) <= 110


def test_settings_of_an_unknown_system_are_refused():
    done = invoke('settings', 'ring')
    assert done.exit_code == 2 and "there is no system 'ring'; there are chain, power_grid" in done.output


@pytest.mark.parametrize('method', ['q_learning', 'scenario_mpc'])
def test_settings_are_listed_with_ranges_units_and_consequences(method):
    done = CliRunner(env={'COLUMNS': '300'}).invoke(main, ['settings', 'chain', '--method', method])
    listed = {line.split()[0]: ' '.join(line.split()[1:]) for line in done.output.splitlines() if line.strip()}
    assert {entry.name for entry in [*settings_table('chain', method)[1:], *table(DeploymentSettings)]} <= listed.keys()
    assert listed['consensus.rounds'].startswith('from 1 to 100000 rounds per average')
    assert listed['round_timeout'].startswith('from 0.001 to 3600 s, or never longest wait for an answer')
    assert listed['admm.tolerance'].endswith('none runs all iterations of ADMM, as published')


def test_an_occupied_directory_is_refused_before_anything_is_run():
    lines('train', *QUICK, '--output', 'run')
    before = Path('run', 'steps.csv').read_bytes()
    again = invoke('train', '--output', 'run')
    assert again.exit_code == 1 and 'run already holds a run' in again.output
    assert Path('run', 'steps.csv').read_bytes() == before


BROKEN = "raise ImportError('no such thing [of mine]')"


def test_methods_and_systems_are_listed_with_those_of_other_packages(install):
    install(
        'of_others',
        {
            'dmpcrl_ros.systems': {'of_others': 'of_others:SOURCE'},
            'dmpcrl_ros.methods': {'of_others': 'of_others:METHOD'},
        },
        "class Thing:\n    name, title = 'of_others', 'a thing [elsewhere]'\n    settings = requires = object\n"
        '    metrics = ()\n    make = layout = agent = None\nSOURCE = METHOD = Thing()\n',
    )
    install('partly', {'dmpcrl_ros.methods': {'partly': 'partly:METHOD'}}, 'METHOD = object()\n')
    install('broken', {'dmpcrl_ros.methods': {'broken': 'broken:METHOD'}}, BROKEN)
    methods, systems = (' '.join(' '.join(lines(command)).split()) for command in ('methods', 'systems'))
    for name in ('q_learning', 'nominal_mpc', 'scenario_mpc', 'of_others', 'broken'):
        assert name in methods
    assert 'Q-learning of the parameters' in methods and 'a thing [elsewhere]' in methods
    assert 'cannot be loaded' in methods and 'no such thing [of mine]' in methods
    assert 'it has no name, no title, no settings' in methods
    assert 'chain' in systems and 'power_grid' in systems and 'a thing [elsewhere]' in systems


@pytest.mark.parametrize('variant', ['mallick2024', 'mallick2025'])
def test_a_template_is_the_chain(variant):
    printed = yaml.safe_load('\n'.join(lines('template', '--agents', 4, '--variant', variant)))
    ours, theirs = from_description(printed), chain(4, variant)
    assert (ours.name, ours.names) == (f'chain-{variant}', theirs.names)
    assert ours.a.tolist() == theirs.a.tolist() and ours.defaults == theirs.defaults


def test_nodes_prints_a_command_for_each_process():
    printed = lines(
        'nodes',
        '--chain.agents',
        3,
        '--agents-per-process',
        2,
        '--coordination',
        'admm',
        '--admm.tolerance',
        '1e-3',
        '--round-timeout',
        'never',
        '--output',
        'x',
    )
    assert [line.split()[0] for line in printed] == ['dmpcrl_plant', *['dmpcrl_agent'] * 2, 'dmpcrl_monitor']
    assert '-p admm.tolerance:=0.001' in printed[1] and 'round_timeout:=never' in printed[1]


def test_policy_names_the_enclaves_with_which_nodes_are_started():
    options = ['--chain.agents', 2, '--enclave', 'laboratory', '--output', 'x']
    started = [re.search(r'--enclave (\S+)', line)[1] for line in lines('nodes', *options)]
    assert re.findall(r'enclave path="(.*)"', '\n'.join(lines('policy', *options))) == started
    assert '/laboratory/agent_2' in started


def test_policy_wants_to_know_the_enclave():
    done = invoke('policy')
    assert done.exit_code == 1 and 'enclave must be given' in done.output


@pytest.mark.parametrize(('short', 'name'), [('001', 'mallick2024'), ('000', 'mallick2025')])
def test_the_short_names_of_the_papers_go_on_working(short, name):
    one, other = (invoke('reproduce', each, '--help').output for each in (short, name))
    assert one.replace(short, name, 1) == other and f'runs/{name}' in ' '.join(other.split())
    listed = invoke('reproduce', '--help').output
    assert name in listed and not re.search(rf'^ *{short}', listed, re.MULTILINE)


def test_a_variant_is_reproduced_under_the_old_names_too():
    lines(
        'reproduce',
        '000',
        '--method',
        'D-SO-residual-stop',
        '--seeds',
        1,
        '--steps',
        100,
        '--jobs',
        1,
        '--output',
        'out',
    )
    (row,) = csv.DictReader(Path('out', 'final.csv').read_text().splitlines())
    assert row['variant'] == 'D-SO-residual-stop' and float(row['mean cost']) > 0
    assert load_run('out/D-SO-residual-stop-seed-1').settings == Settings(
        chain__variant='mallick2025',
        seed=1,
        steps=100,
        learning__order='second',
        coordination='admm',
        admm__tolerance=1e-3,
        learning__guard=False,
    )


def test_run_and_demo_go_over_ros_with_their_settings(monkeypatch):
    """The function that starts processes is caught: how it does so is for the tests of ROS."""
    called = []
    monkeypatch.setattr(
        commands.experiments,
        'run_over_ros',
        lambda settings, deployment, output, console, **options: called.append(
            (settings, deployment, os.fspath(output), options)
        ),
    )
    monkeypatch.setattr(commands, '_conclude', lambda *arguments: called.append(arguments[-1]))
    lines('run', 'power_grid', '--seed', 4, '--real-time', '--respawn', '--output', 'run')
    assert called == [
        (
            Settings(system='power_grid', seed=4),
            DeploymentSettings(real_time=True),
            'run',
            {'verbose': False, 'respawn': True},
        ),
        True,
    ]
    called.clear()
    lines('run', '--bridge', 'robot.yaml', '--output', 'run')  # a robot has no untrained twin on the same noise
    assert called[1] is False
    called.clear()
    lines('demo', '--output', 'run')
    assert called[0][:2] == (Settings(steps=500, seed=6), DeploymentSettings())
