# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Settings as dataclasses: names, words for None, groups, texts of a command line, and plain values of files."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from dmpcrl_ros.core.settings import SettingError, build, dotted, flat, group, setting, table


@dataclass(frozen=True, kw_only=True)
class Motor:
    speed: float = setting(2.0, 'of the shaft; faster; louder', unit='rad/s', minimum=0.5, maximum=8.0)
    gear: int | None = setting(None, 'which gear', kind=int, absent='auto', minimum=1, maximum=5)


@dataclass(frozen=True, kw_only=True)
class Arm:
    motor: Motor = group(Motor)
    length: float | None = setting(1.5, 'of the arm', kind=float, absent='never', minimum=0.1)


@dataclass(frozen=True, kw_only=True)
class Robot:
    name: str = setting('robot', 'of the robot')
    arm: Arm = group(Arm)
    mode: str = setting('calm', 'how it moves', choices=('calm', 'wild'))
    brake: bool = setting(True, 'whether it can stop')
    joints: tuple[str, ...] = setting((), 'names of its joints')


ENTRIES = {entry.name: entry for entry in table(Robot)}


def test_names_of_groups_are_prefixes_and_the_order_is_that_of_the_fields():
    assert list(ENTRIES) == ['name', 'arm.motor.speed', 'arm.motor.gear', 'arm.length', 'mode', 'brake', 'joints']
    assert [entry.name for entry in table(Motor, 'left.')] == ['left.speed', 'left.gear']
    assert [entry.kind for entry in ENTRIES.values()] == [str, float, int, float, str, bool, tuple]
    assert ENTRIES['arm.motor.gear'].default is None and ENTRIES['arm.motor.speed'].unit == 'rad/s'


@pytest.mark.parametrize(
    ('name', 'allowed'),
    [
        ('name', 'a text'),
        ('arm.motor.speed', 'from 0.5 to 8 rad/s'),
        ('arm.motor.gear', 'from 1 to 5, or auto'),
        ('arm.length', 'at least 0.1, or never'),
        ('mode', 'one of calm, wild'),
        ('brake', 'true or false'),
        ('joints', 'a list of names'),
    ],
)
def test_the_values_of_a_setting_are_said_in_words(name, allowed):
    assert ENTRIES[name].allowed == allowed


def test_the_summary_of_a_setting_ends_at_the_first_semicolon():
    assert ENTRIES['arm.motor.speed'].summary == 'of the shaft' and ENTRIES['mode'].summary == 'how it moves'


def test_values_are_put_in_their_groups_and_others_are_left_alone():
    robot = build(Robot, {'arm.motor.speed': 3.0, 'arm.length': 0.2, 'mode': 'wild', 'wheels': 4})
    assert robot == Robot(mode='wild', arm=Arm(length=0.2, motor=Motor(speed=3.0)))
    assert build(Motor, {'left.speed': 3.0, 'speed': 4.0}, 'left.') == Motor(speed=3.0)
    assert build(Robot, {}) == Robot()


def test_all_values_there_and_back():
    robot = build(Robot, {'arm.motor.gear': 4, 'joints': ('elbow', 'wrist'), 'brake': False})
    values = dict(flat(robot))
    assert list(values) == list(ENTRIES) and values['arm.motor.gear'] == 4
    assert build(Robot, values) == robot
    assert dict(flat(robot.arm, 'arm.')) == {name: values[name] for name in ENTRIES if name.startswith('arm.')}


@pytest.mark.parametrize(
    'values', [{}, {'arm.motor.gear': 3, 'arm.length': None}, {'joints': ('a', 'b')}, {'brake': False, 'mode': 'wild'}]
)
def test_plain_values_are_words_lists_and_numbers_and_lead_back(values):
    robot = build(Robot, values)
    plain = {name: ENTRIES[name].plain(value) for name, value in flat(robot)}
    assert {type(value) for value in plain.values()} <= {str, int, float, bool, list}
    assert build(Robot, plain) == robot


def test_the_word_for_none_is_that_of_the_setting():
    assert ENTRIES['arm.motor.gear'].plain(None) == 'auto' and ENTRIES['arm.length'].plain(None) == 'never'
    assert ENTRIES['arm.motor.gear'].check('auto') is None and ENTRIES['arm.length'].check(None) is None
    with pytest.raises(SettingError, match=r"^arm\.motor\.gear must be a whole number or auto, not 'never'"):
        ENTRIES['arm.motor.gear'].check('never')


@pytest.mark.parametrize(
    'name, text, value',
    [
        ('name', 'r2', 'r2'),
        ('arm.motor.speed', '3', 3.0),
        ('arm.motor.speed', '5e-1', 0.5),
        ('arm.motor.gear', '2', 2),
        ('arm.motor.gear', 'auto', None),
        ('arm.length', 'never', None),
        ('mode', 'wild', 'wild'),
        ('brake', 'true', True),
        ('brake', 'False', False),
        ('joints', 'elbow, wrist', ('elbow', 'wrist')),
        ('joints', '', ()),
    ],
)
def test_texts_of_a_command_line(name, text, value):
    found = ENTRIES[name].parse(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    'name, text, message',
    [
        ('arm.motor.speed', 'fast', r"^arm\.motor\.speed must be a number, not 'fast'$"),
        ('arm.motor.speed', '9', r'^arm\.motor\.speed must be from 0\.5 to 8 rad/s, not 9\.0$'),
        ('arm.motor.speed', 'nan', r'^arm\.motor\.speed must be from 0\.5 to 8 rad/s, not nan$'),
        ('arm.motor.gear', '2.5', r"^arm\.motor\.gear must be a whole number or auto, not '2\.5'$"),
        ('arm.motor.gear', '6', r'^arm\.motor\.gear must be from 1 to 5, or auto, not 6$'),
        ('arm.length', '0', r'^arm\.length must be at least 0\.1, or never, not 0\.0$'),
        ('mode', 'loud', r"^mode must be one of calm, wild, not 'loud'$"),
        ('brake', '1', r"^brake must be true or false, not '1'$"),
        ('brake', '', r"^brake must be true or false, not ''$"),
    ],
)
def test_a_text_that_is_no_value_is_refused_by_name(name, text, message):
    with pytest.raises(SettingError, match=message):
        ENTRIES[name].parse(text)


@pytest.mark.parametrize(
    'name, value',
    [
        ('arm.motor.speed', '3'),
        ('arm.motor.speed', True),
        ('arm.motor.speed', None),
        ('arm.motor.gear', 2.0),
        ('arm.motor.gear', True),
        ('name', 3),
        ('name', None),
        ('brake', 1),
        ('brake', None),
        ('joints', 'elbow'),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(name, value):
    with pytest.raises(SettingError, match=f'^{name} must be (a|true)') as error:
        build(Robot, {name: value})
    assert repr(value) in str(error.value)


def test_a_whole_number_will_do_for_a_number_and_a_list_for_names():
    assert ENTRIES['arm.motor.speed'].check(3) == 3.0 and type(ENTRIES['arm.motor.speed'].check(3)) is float
    assert ENTRIES['joints'].check(['a']) == ('a',)


@pytest.mark.parametrize('names', [['a', 3], [None], [['a']]])
def test_a_list_of_what_are_no_names_is_refused(names):
    with pytest.raises(SettingError, match='^joints must be'):
        ENTRIES['joints'].check(names)


def test_python_writes_the_dot_as_two_underscores():
    assert dotted({'arm__motor__gear': 1, 'name': 2, 'arm.length': 3}) == {
        'arm.motor.gear': 1,
        'name': 2,
        'arm.length': 3,
    }


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(FrozenInstanceError):
        Robot().arm.motor.speed = 3.0
