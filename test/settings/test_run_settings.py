# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings of a run: each is checked by name, type and range, and belongs to the run, the system or the method."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import yaml
from helpers import DIRECTED

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.methods.registry import METHODS
from dmpcrl_ros.settings.run import Settings, settings_table
from dmpcrl_ros.systems.registry import SYSTEMS

RUNS = [
    (system, method) for system in ('chain', 'power_grid') for method in ('q_learning', 'nominal_mpc', 'scenario_mpc')
]
ENTRIES = {(method, entry.name): entry for method in METHODS.names() for entry in settings_table('chain', method)}
NUMBERS = [key for key, entry in ENTRIES.items() if entry.kind in (int, float)]
WRONG_TYPES = {str: [3, None, True], int: ['3', 2.5, None, True], float: ['0.5', None, True], bool: [1, 'yes', None]}


def made(method, name, value):
    """The value that settings have for a setting that is given `value`."""
    if name != 'method':
        needed = {'coordination': 'admm'} if name.startswith('admm.') and method != 'scenario_mpc' else {}
        return Settings(**{'method': method, **needed, name: value}).values()[name]
    return Settings(method=value).method


def test_these_are_the_systems_and_methods():
    assert {system for system, _ in RUNS} == set(SYSTEMS.names())
    assert {method for _, method in RUNS} == set(METHODS.names())


@pytest.mark.parametrize('system, method', RUNS)
def test_the_table_is_the_settings(system, method):
    entries, settings = settings_table(system, method), Settings(system=system, method=method)
    expected = {entry.name: entry.default for entry in entries} | {'system': system, 'method': method}
    assert settings.values() == expected and list(settings.values()) == [entry.name for entry in entries]
    assert all(entry.description for entry in entries)
    assert {entry.name.partition('.')[0] for entry in entries if entry.name.startswith(('chain', 'power'))} <= {system}


def test_what_a_method_has_not_is_no_setting_of_its_runs():
    names = {method: {entry.name for entry in settings_table('chain', method)} for method in METHODS.names()}
    assert 'learning.rate' in names['q_learning'] and 'scenarios' in names['scenario_mpc']
    assert not any(name.startswith('learning.') for name in names['nominal_mpc'] | names['scenario_mpc'])
    assert 'scenarios' not in names['nominal_mpc'] and 'model' not in names['q_learning']
    assert all('admm.iterations' in each for each in names.values())


@pytest.mark.parametrize(
    'method, name, value',
    [
        (*key, value)
        for key, entry in ENTRIES.items()
        for value in WRONG_TYPES[entry.kind]
        if not (entry.absent and value is None)
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(method, name, value):
    with pytest.raises(SettingError, match=f'^{name} must be') as error:
        made(method, name, value)
    assert repr(value) in str(error.value)


@pytest.mark.parametrize('method, name', NUMBERS)
def test_every_number_has_a_range_and_is_kept_to_it(method, name):
    entry = ENTRIES[method, name]
    assert entry.minimum is not None and entry.maximum is not None
    beyond = [entry.kind(entry.minimum - 1), entry.kind(entry.maximum + 1)]
    if entry.kind is float:
        beyond += [np.nan, np.inf, -np.inf]
    for value in beyond:
        with pytest.raises(SettingError, match=f'^{name} must be'):
            made(method, name, value)
    ends = [entry.minimum, entry.maximum]
    assert [made(method, name, entry.kind(value)) for value in ends] == ends


@pytest.mark.parametrize('method, name', [key for key, entry in ENTRIES.items() if entry.choices])
def test_a_text_that_is_no_choice_is_refused_with_the_choices(method, name):
    entry = ENTRIES[method, name]
    with pytest.raises(SettingError, match=f'^{name} must be one of') as error:
        made(method, name, 'something else')
    assert all(choice in str(error.value) for choice in entry.choices)
    for choice in entry.choices:
        assert made(method, name, choice) == choice


@pytest.mark.parametrize('method, name', [key for key, entry in ENTRIES.items() if entry.absent])
def test_a_word_stands_for_none_where_there_may_be_none(method, name):
    entry = ENTRIES[method, name]
    assert entry.absent in ('auto', 'none', 'never')
    assert made(method, name, entry.absent) is made(method, name, None) is None
    assert Settings(**{'method': method, name: None}).plain()[name] == entry.absent


def test_an_integer_will_do_for_a_number():
    assert made('q_learning', 'admm.rho', 2) == 2


def test_in_python_the_dot_is_two_underscores():
    assert Settings(coordination='admm', admm__rho=2.0, chain__agents=4) == Settings(
        **{'coordination': 'admm', 'admm.rho': 2.0, 'chain.agents': 4}
    )


@pytest.mark.parametrize(
    'name, hint',
    [
        ('admm_iterations', "did you mean 'admm.iterations'?"),
        ('learning.rat', "did you mean 'learning.rate'?"),
        ('chain.agent', "did you mean 'chain.agents'?"),
        ('colour', 'there are system, method, seed, steps'),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(name, hint):
    with pytest.raises(SettingError, match=f"^there is no setting '{name}'; {hint[:-1]}"):
        Settings(**{name: 1})


@pytest.mark.parametrize(
    'values',
    [
        {'method': 'nominal_mpc', 'learning__rate': 1e-3},
        {'system': 'power_grid', 'chain__agents': 4},
        {'model': 'exact'},
    ],
)
def test_a_setting_of_another_method_or_system_is_refused(values):
    with pytest.raises(SettingError, match='there is no setting'):
        Settings(**values)


CHANGED = [
    {},
    {
        'seed': 7,
        'chain__agents': 5,
        'chain__variant': 'mallick2025',
        'learning__order': 'second',
        'learning__step_limit': None,
        'coordination': 'admm',
        'admm__tolerance': 1e-3,
        'learn': False,
    },
    {'method': 'scenario_mpc', 'scenarios': 3, 'model': 'exact'},
    {'system': 'power_grid', 'method': 'nominal_mpc', 'consensus__averaging': 'fixed'},
]


@pytest.mark.parametrize('values', CHANGED)
def test_plain_values_are_those_of_a_file_and_lead_back(values):
    settings = Settings(**values)
    plain = json.loads(json.dumps(settings.plain()))
    assert Settings(**plain) == settings and None not in plain.values()
    assert list(plain) == [entry.name for entry in settings_table(settings.system, settings.method)]


def test_settings_are_equal_when_all_values_are():
    assert Settings(seed=2) == Settings(seed=2) != Settings(seed=3) and Settings() != 'settings'
    assert 'seed=2, steps=1000' in repr(Settings(seed=2)) and "admm.rho='auto'" in repr(Settings())


def test_a_change_leaves_the_rest_and_the_original_as_they_are():
    settings = Settings(seed=3, coordination='admm', admm__iterations=7, chain__agents=4)
    assert settings.but(seed=4) == Settings(seed=4, coordination='admm', admm__iterations=7, chain__agents=4)
    assert settings.but(**{'coordination': 'admm', 'admm.iterations': 9}).but(admm__iterations=7) == settings
    assert settings == Settings(seed=3, coordination='admm', admm__iterations=7, chain__agents=4)


def test_with_another_method_or_system_goes_what_only_the_old_one_has():
    settings = Settings(seed=3, coordination='admm', admm__iterations=7, learning__rate=1e-3, chain__agents=4)
    assert settings.but(method='scenario_mpc', scenarios=5) == Settings(
        seed=3, admm__iterations=7, chain__agents=4, method='scenario_mpc', scenarios=5
    )
    assert settings.but(system='power_grid') == Settings(
        seed=3, coordination='admm', admm__iterations=7, learning__rate=1e-3, system='power_grid'
    )


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'method': 'nominal_mpc', 'learning__rate': 1e-3}, "there is no setting 'learning.rate'"),
        ({'sead': 4}, "did you mean 'seed'?"),
        ({'seed': -1}, '^seed must be'),
    ],
)
def test_a_change_is_checked_like_any_value(changes, message):
    with pytest.raises(SettingError, match=message):
        Settings().but(**changes)


def test_the_system_of_the_settings():
    system = Settings(chain__agents=4, chain__variant='mallick2025').make_system()
    assert (system.name, system.n_agents) == ('chain-mallick2025', 4)


@pytest.mark.parametrize('system', ['ring', '', 'network.txt'])
def test_an_unknown_system_is_refused_by_name(system):
    with pytest.raises(RegistryError, match=f'no system {system!r}; there are chain, power_grid; .*must end in .yaml'):
        Settings(system=system)


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(RegistryError, match="no method 'magic'; there are q_learning, nominal_mpc, scenario_mpc"):
        Settings(method='magic')


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(NetworkError, match='nowhere.yaml'):
        Settings(system=str(tmp_path / 'nowhere.yaml')).make_system()


def test_a_system_of_a_file_has_no_settings_of_its_own(tmp_path):
    path = tmp_path / 'network.yaml'
    path.write_text(yaml.safe_dump(DIRECTED))
    assert settings_table(str(path), 'nominal_mpc') == settings_table('power_grid', 'nominal_mpc')
    assert Settings(system=str(path)).make_system().names == ('tank', 'valve', 'heater')


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        Settings().seed = 2
    for part in ('common', 'of_system', 'of_method'):
        with pytest.raises(AttributeError):
            setattr(Settings(), part, None)
    with pytest.raises(FrozenInstanceError):
        Settings().of_method.admm.iterations = 2


# Systems and methods of another package.

SOMEBODY = """
from dataclasses import dataclass
from dmpcrl_ros.core.agent import AgentSpec
from dmpcrl_ros.core.graph import path_graph
from dmpcrl_ros.core.settings import NoSettings, setting
from dmpcrl_ros.core.spaces import EMPTY, Finite
from dmpcrl_ros.systems.system import System
import numpy as np


class Rooms(System):
    name, graph = 'rooms', path_graph(2)
    agents = tuple(AgentSpec(name=name, state=Finite((4,)), action=Finite((2,)), exogenous=EMPTY,
                             safe_action=np.zeros(1)) for name in ('kitchen', 'hall'))

    def __init__(self, doors):
        self.doors = doors

    def plant(self, seed):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class RoomSettings:
    doors: int = setting(1, 'number of doors', minimum=1, maximum=9)


class Source:
    name, title, settings = 'rooms', 'two rooms', RoomSettings

    def make(self, settings):
        return Rooms(settings.doors)


class Waiting:
    name, title, settings, requires, metrics = 'waiting', 'does nothing', NoSettings, System, ()
    layout = agent = None


SOURCE, WAITING = Source(), Waiting()
"""


@pytest.fixture
def somebody(install):
    install(
        'somebody',
        {'dmpcrl_ros.systems': {'rooms': 'somebody:SOURCE'}, 'dmpcrl_ros.methods': {'waiting': 'somebody:WAITING'}},
        SOMEBODY,
    )


@pytest.mark.usefixtures('somebody')
def test_a_system_and_a_method_of_another_package_have_their_settings():
    settings = Settings(system='rooms', method='waiting', rooms__doors=3)
    assert list(settings.values()) == ['system', 'method', 'seed', 'steps', 'learn', 'rooms.doors']
    system = settings.make_system()
    assert (system.name, system.names, system.doors) == ('rooms', ('kitchen', 'hall'), 3)
    assert Settings(method='waiting').make_system().name == 'chain-mallick2024'


@pytest.mark.usefixtures('somebody')
@pytest.mark.parametrize('method', ['q_learning', 'nominal_mpc', 'scenario_mpc'])
def test_a_method_that_cannot_control_a_system_is_refused(method):
    with pytest.raises(SettingError, match=f'method {method} needs a system of kind MpcSystem; rooms is a Rooms'):
        Settings(system='rooms', method=method).make_system()


@pytest.mark.usefixtures('somebody')
def test_a_method_without_a_centralised_twin_says_so():
    settings = Settings(method='waiting')
    with pytest.raises(SettingError, match='method waiting has no centralised twin'):
        settings.make_central_agent(settings.make_system())


@pytest.mark.parametrize('name', ['seed', 'speed', 'checkpoints', 'output'])
def test_a_method_with_a_setting_of_another_owner_is_refused_by_its_name(install, name):
    """Settings of the run, of the deployment, or of a node: it would silently get the other one's value."""
    install(
        f'taken_{name}',
        {'dmpcrl_ros.methods': {f'taken_{name}': f'taken_{name}:METHOD'}},
        f"""
from dataclasses import dataclass
from dmpcrl_ros.core.settings import setting

@dataclass(frozen=True, kw_only=True)
class Own:
    {name}: float = setting(1.0, 'a value')

class METHOD:
    name, title, settings, requires, metrics, layout, agent = 'taken_{name}', '', Own, object, (), None, None
""",
    )
    with pytest.raises(SettingError, match=f"method taken_{name} has a setting '{name}', .*: put it into a group"):
        Settings(method=f'taken_{name}')


@pytest.mark.parametrize('method', ['q_learning', 'nominal_mpc'])
@pytest.mark.parametrize(
    'settings, refused',
    [
        ({'admm.iterations': 9}, 'admm.iterations has no effect with the coordination reactions: choose'),
        ({'coordination': 'prices', 'admm.warm_start': False}, 'admm.warm_start has no effect with the coordination'),
        ({'coordination': 'admm', 'stopping.early': True}, 'stopping.early has no effect with the coordination admm'),
    ],
)
def test_a_setting_of_another_coordination_is_refused(method, settings, refused):
    with pytest.raises(SettingError, match=f'^{refused}'):
        Settings(**{'method': method} | settings)


def test_changes_drop_former_settings_that_then_have_no_effect():
    admm = Settings(coordination='admm', admm__iterations=9, seed=2)
    assert admm.but(coordination='reactions') == Settings(seed=2)
    assert admm.but(method='scenario_mpc').but(method='nominal_mpc') == Settings(method='nominal_mpc', seed=2)
    assert Settings(stopping__early=True).but(coordination='admm', admm__rho=0.3) == Settings(
        coordination='admm', admm__rho=0.3
    )
    with pytest.raises(SettingError, match='^admm.iterations has no effect'):
        admm.but(coordination='prices', admm__iterations=9)
