"""Settings: each is checked by name, type and range."""
import dataclasses

import numpy as np
import pytest

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.settings.run import SettingError, Settings, table

ENTRIES = {entry.name: entry for entry in table()}
NUMBERS = [name for name, entry in ENTRIES.items() if isinstance(entry.default, (int, float))
           and not isinstance(entry.default, bool)]
WRONG_TYPES = {str: [3, None, True], int: ['3', 2.5, None, True], float: ['0.5', None, True], bool: [1, 'yes', None]}


def test_the_table_is_the_settings():
    assert list(ENTRIES) == [field.name for field in dataclasses.fields(Settings)]
    assert all(getattr(Settings(), name) == entry.default for name, entry in ENTRIES.items())
    assert all(entry.description for entry in ENTRIES.values())


@pytest.mark.parametrize('name, value', [
    (name, value) for name, entry in ENTRIES.items() for value in WRONG_TYPES[type(entry.default)]])
def test_a_value_of_the_wrong_type_is_refused_by_name(name, value):
    with pytest.raises(SettingError, match=f'^{name} must be') as error:
        Settings(**{name: value})
    assert repr(value) in str(error.value)


@pytest.mark.parametrize('name', NUMBERS)
def test_every_number_has_a_range_and_is_kept_to_it(name):
    entry = ENTRIES[name]
    assert entry.minimum is not None and entry.maximum is not None
    beyond = [entry.minimum - 1, entry.maximum + 1]
    if isinstance(entry.default, float):
        beyond += [np.nan, np.inf, -np.inf]
    for value in beyond:
        with pytest.raises(SettingError, match=f'^{name} must be'):
            Settings(**{name: type(entry.default)(value)})
    kind = type(entry.default)
    assert [getattr(Settings(**{name: kind(v)}), name) for v in (entry.minimum, entry.maximum)] == [
        entry.minimum, entry.maximum]


@pytest.mark.parametrize('name', [name for name, entry in ENTRIES.items() if entry.choices])
def test_a_text_that_is_no_choice_is_refused_with_the_choices(name):
    with pytest.raises(SettingError, match=f'^{name} must be one of') as error:
        Settings(**{name: 'something else'})
    assert all(choice in str(error.value) for choice in ENTRIES[name].choices)
    for choice in ENTRIES[name].choices:
        Settings(**{name: choice})


def test_an_integer_will_do_for_a_number():
    assert Settings(rho=2).rho == 2


def test_the_network_of_the_settings():
    network = Settings(agents=4, variant='000').network()
    assert (network.name, network.n_agents) == ('chain-000', 4)


@pytest.mark.parametrize('scenario', ['ring', '', 'network.txt'])
def test_an_unknown_scenario_is_refused_by_name(scenario):
    with pytest.raises(NetworkError, match=repr(scenario)):
        Settings(scenario=scenario).network()


def test_a_scenario_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(NetworkError, match='nowhere.yaml'):
        Settings(scenario=str(tmp_path / 'nowhere.yaml')).network()


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().seed = 2
