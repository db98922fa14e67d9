# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The options of a command are those of the system and the method that it is called with."""

import re

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from dmpcrl_ros.cli.options import DeployedCommand, SettingsCommand
from dmpcrl_ros.core.settings import table
from dmpcrl_ros.settings.deployment import DeploymentSettings, LearnedSettings
from dmpcrl_ros.settings.run import Settings, settings_table

PACKAGE = """
from dataclasses import dataclass, replace
from dmpcrl_ros.core.settings import group, setting
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.methods.nominal_mpc import NominalMpc
from dmpcrl_ros.methods.mpc_settings import BaselineSettings

@dataclass(frozen=True, kw_only=True)
class Coils:
    count: int = setting(2, 'number of coils', minimum=1)
    hot_start: bool = setting(False, 'whether they are hot')

class Source:
    name, title, settings = 'coil_row', 'coils [in a row]', Coils
    def make(self, settings):
        return chain(settings.count)

@dataclass(frozen=True, kw_only=True)
class Extra:
    names: tuple[str, ...] = setting(('a', 'b'), 'of something', kind=tuple)
    limit: float | None = setting(None, 'largest value', kind=float, absent='none', unit='A', minimum=0.5)

@dataclass(frozen=True, kw_only=True)
class MySettings(BaselineSettings):
    extra: Extra = group(Extra)

class Mine(NominalMpc):
    name, title, settings = 'mine', 'nominal MPC of somebody else', MySettings

SOURCE, METHOD = Source(), Mine()
"""


@pytest.fixture
def elsewhere(install):
    """A system and a method of another package."""
    install(
        'coils_of_mine',
        {
            'dmpcrl_ros.systems': {'coil_row': 'coils_of_mine:SOURCE'},
            'dmpcrl_ros.methods': {'mine': 'coils_of_mine:METHOD'},
        },
        PACKAGE,
    )


def call(*arguments, kind=SettingsCommand):
    """(what the function of a command is called with, what is printed, exit code)."""
    got = {}

    @click.command(cls=kind)
    @click.option('--output', default='nowhere')
    @click.option('--verbose', is_flag=True)
    def command(**given):
        got.update(given)

    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return got, done.output, done.exit_code


def settings(*arguments):
    got, output, code = call(*arguments)
    assert code == 0, output
    return got['settings']


def refusal(*arguments, kind=SettingsCommand):
    got, output, code = call(*arguments, kind=kind)
    assert code == 2 and not got, output
    return output.splitlines()[-1]


def test_without_options_all_is_as_by_default():
    got, _, _ = call()
    assert got == {'settings': Settings(), 'learned': LearnedSettings(), 'output': 'nowhere', 'verbose': False}
    got, _, _ = call(kind=DeployedCommand)
    assert got == {'settings': Settings(), 'deployment': DeploymentSettings(), 'output': 'nowhere', 'verbose': False}


@pytest.mark.parametrize(
    ('words', 'values'),
    [
        (['chain', '--seed', 3, '--steps', 7], {'seed': 3, 'steps': 7}),
        (['power_grid'], {'system': 'power_grid'}),
        (
            ['--chain.agents', 5, '--chain.variant', 'mallick2025'],
            {'chain__agents': 5, 'chain__variant': 'mallick2025'},
        ),
        (
            ['--coordination', 'admm', '--admm.iterations', 9, '--admm.tolerance', '1e-3', '--no-admm.warm-start'],
            {'coordination': 'admm', 'admm__iterations': 9, 'admm__tolerance': 1e-3, 'admm__warm_start': False},
        ),
        (
            ['--no-learn', '--learning.order', 'second', '--no-learning.exploration', '--learning.bound-parameters'],
            {'learn': False, 'learning__order': 'second', 'learning__exploration': False},
        ),
        (
            ['--method', 'scenario_mpc', '--scenarios', 4, '--model=exact'],
            {'method': 'scenario_mpc', 'scenarios': 4, 'model': 'exact'},
        ),
        (
            ['--scenarios', 4, 'power_grid', '--method=scenario_mpc'],
            {'method': 'scenario_mpc', 'system': 'power_grid', 'scenarios': 4},
        ),
        (
            ['--method', 'q_learning', '--method', 'nominal_mpc', '--fallback-steps', 0],
            {'method': 'nominal_mpc', 'fallback_steps': 0},
        ),
        (['--verbose', '--output', 'power_grid', 'chain'], {}),
        (
            ['--learning.step-limit', 'none', '--learning.rate', 'auto', '--coordination', 'admm', '--admm.rho', 2],
            {'learning__step_limit': None, 'learning__rate': None, 'coordination': 'admm', 'admm__rho': 2.0},
        ),
    ],
)
def test_options_are_settings_by_their_names(words, values):
    assert settings(*words) == Settings(**values)


def test_every_setting_has_an_option():
    for method in ('q_learning', 'scenario_mpc'):
        _, shown, _ = call('--method', method, '--help', kind=DeployedCommand)
        for entry in [*settings_table('chain', method)[1:], *table(DeploymentSettings)]:
            flag = entry.name.replace('_', '-')
            assert re.search(rf'^  --(\[no-])?{re.escape(flag)}\s', shown, re.MULTILINE), entry.name


def test_a_word_stands_for_no_value_in_the_deployment_too():
    got, _, _ = call(
        '--round-timeout',
        'never',
        '--real-time',
        '--checkpoint-every',
        'never',
        '--action-deadline',
        '0.2',
        kind=DeployedCommand,
    )
    assert got['deployment'] == DeploymentSettings(
        round_timeout=None, real_time=True, checkpoint_every=None, action_deadline=0.2
    )
    assert refusal('--round-timeout', '5.0').startswith('Error: No such option')
    assert 'round_timeout must be from 0.001 to 3600 s, or never, not 0.0' in refusal(
        '--round-timeout', 0, kind=DeployedCommand
    )


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--seed', 'x'], "Invalid value for '--seed': seed must be a whole number, not 'x'"),
        (['--steps', 0], "Invalid value for '--steps': steps must be from 1 to 10000000, not 0"),
        (['--learning.rate', 7], 'learning.rate must be from 1e-15 to 1, or auto, not 7.0'),
        (['--learning.order', 'third'], 'learning.order must be one of first, second, robust, second-as-released'),
        (
            ['--method', 'nominal_mpc', '--learning.rate', 0.1],
            '--learning.rate is an option of method q_learning; this run has system chain and method nominal_mpc',
        ),
        (
            ['power_grid', '--chain.agents', 3],
            '--chain.agents is an option of system chain; this run has system power_grid and method q_learning',
        ),
        (['--bogus', 'power_grid'], 'No such option'),
        (['--method', 'magic'], "there is no method 'magic'; there are q_learning, nominal_mpc, scenario_mpc"),
        (['ring'], "there is no system 'ring'; there are chain, power_grid; a file must end in .yaml"),
        (['--seed', 1, 'ring', '--help'], "there is no system 'ring'"),
        (['--method'], "Option '--method' requires an argument"),
        (['chain', 'power_grid'], 'Got unexpected extra argument (power_grid)'),
        (['--seed'], "Option '--seed' requires an argument"),
        (['missing.yaml'], 'missing.yaml'),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words, message):
    assert message.replace("'", '') in refusal(*words).replace("'", '')


@pytest.mark.parametrize(
    ('given', 'meant'),
    [
        ('--sed', '--seed'),
        ('--agents', '--chain.agents'),
        ('--iterations', '--admm.iterations'),
        ('--learning-rate', '--learning.rate'),
        ('--learning.step_limit', '--learning.step-limit'),
        ('--exploration', '--learning.exploration'),
        ('--realtime', '--real-time'),
    ],
)
def test_an_unknown_option_is_answered_with_near_ones(given, meant):
    assert meant in refusal(given, kind=DeployedCommand)


def test_what_cannot_be_loaded_does_not_hide_that_an_option_is_unknown(install):
    install('broken', {'dmpcrl_ros.methods': {'broken': 'broken:METHOD'}}, "raise ImportError('no such thing')")
    assert refusal('--sed', 3).startswith('Error: No such option')


def headings(shown):
    return [line[:-1] for line in shown.splitlines() if line.endswith(':') and not line.startswith(' ')]


def test_the_help_has_a_heading_for_each_group():
    _, shown, _ = call('--help')
    assert headings(shown) == [
        'Positional arguments',
        'Run',
        'System chain',
        'Method q_learning',
        'Method q_learning: admm',
        'Method q_learning: consensus',
        'Method q_learning: stopping',
        'Method q_learning: learning',
        'Learned parameters',
        'Other options',
    ]
    _, shown, _ = call('power_grid', '--method', 'scenario_mpc', '--help', kind=DeployedCommand)
    assert headings(shown) == [
        'Positional arguments',
        'Run',
        'Method scenario_mpc',
        'Method scenario_mpc: admm',
        'Method scenario_mpc: consensus',
        'Learned parameters',
        'Clock',
        'Agents',
        'Plant or bridge',
        'Nodes',
        'Other options',
    ]
    assert '--scenarios' in shown and '--chain' not in shown and '--learning' not in shown


def test_the_help_shows_words_units_choices_and_defaults():
    _, shown, _ = call('--help', kind=DeployedCommand)
    text = ' '.join(shown.split())
    for part in (
        '--admm.iterations INTEGER|auto number of ADMM iterations per evaluation [default: auto]',
        '--method [q_learning|nominal_mpc|',
        '--round-timeout FLOAT|never longest wait',
        '[s; default: 5]',
        '--learning.order [first|second|',
        '--[no-]learning.exploration perturb',
        'at random [default: on]',
    ):
        assert part in text, part


def test_another_package_brings_its_own_options(elsewhere):
    got = settings(
        '--coil-row.count',
        3,
        '--method',
        'mine',
        '--extra.names',
        'x,y , z',
        'coil_row',
        '--coil-row.hot-start',
        '--extra.limit',
        2,
    )
    assert got == Settings(
        system='coil_row',
        method='mine',
        coil_row__count=3,
        coil_row__hot_start=True,
        extra__names=('x', 'y', 'z'),
        extra__limit=2.0,
    )
    assert settings('--method', 'mine').of_method.extra.names == ('a', 'b')
    _, shown, _ = call('coil_row', '--method', 'mine', '--help')
    text = ' '.join(shown.split())
    assert '--[no-]coil-row.hot-start whether they are hot [default: off]' in text and '--chain' not in text
    assert '--extra.names NAME,... of something [default: a,b]' in text
    assert '--extra.limit FLOAT|none largest value [A; default: none]' in text


@pytest.mark.parametrize(
    ('words', 'incomplete', 'completed'),
    [
        (['--learning.order'], 'second', ['second', 'second-as-released']),
        (['--admm.rho'], '', ['auto']),
        (['--seed'], '', []),
        (['--method'], 'n', ['nominal_mpc']),
        ([], 'po', ['power_grid']),
        ([], '--chain', ['--chain.agents', '--chain.variant']),
        (['power_grid'], '--chain', []),
        (['--method', 'scenario_mpc'], '--sc', ['--scenarios']),
        (['--method', 'mag'], '--learning.o', ['--learning.order']),  # a word that is not whole yet
    ],
)
def test_words_and_options_are_completed(words, incomplete, completed):
    command = click.Group(commands={'run': click.command(cls=DeployedCommand)(lambda **given: None)})
    found = ShellComplete(command, {}, 'dmpcrl', '_DMPCRL_COMPLETE').get_completions(['run', *words], incomplete)
    assert [item.value for item in found] == completed


def test_files_are_completed_where_no_system_fits():
    command = click.Group(commands={'run': click.command(cls=DeployedCommand)(lambda **given: None)})
    (found,) = ShellComplete(command, {}, 'dmpcrl', '_DMPCRL_COMPLETE').get_completions(['run'], 'config/')
    assert (found.type, found.value) == ('file', 'config/')
