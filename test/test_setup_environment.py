# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The set-up of the environment: its messages when something is missing, and its notion of damage."""

import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / 'tools' / 'setup_environment.py'
PYTHON = getattr(sys, '_base_executable', sys.executable)
ANSWERING = 'exec ' + shlex.quote(PYTHON) + ' "$@"'


def program(folder, name, script):
    """A program of that name on the PATH made of `folder`."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(0o755)


def start(folder, environment):
    """The set-up on a machine that has the programs in `folder`, no ROS 2 and nothing else."""
    return subprocess.Popen(
        [PYTHON, SETUP, '--environment', environment],
        env={'PATH': str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refusal(folder, environment):
    """Last message of a set-up that gives up; it must leave nothing behind."""
    process = start(folder, environment)
    _, text = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'Traceback' not in text
    assert not environment.exists()
    return text


@pytest.fixture
def machine(monkeypatch):
    for name in ('ROS_DISTRO', 'CC', 'CXX'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(ROOT / 'tools')
    import machine

    return machine


# ---- a machine that lacks something


def test_no_compiler(tmp_path):
    program(tmp_path / 'bin', 'python3', ANSWERING)
    text = refusal(tmp_path / 'bin', tmp_path / 'env')
    assert 'a C and C++ compiler: sudo apt install g++' in text
    assert 'ninja-build' in text


def test_no_suitable_python_and_a_shim_that_does_not_run(tmp_path):
    program(tmp_path / 'bin', 'python3', 'echo /usr/bin/python3; echo 3; echo 13')
    program(tmp_path / 'bin', 'python3.12', 'exit 127')
    text = refusal(tmp_path / 'bin', tmp_path / 'env')
    assert 'Python 3.11 or Python 3.12 (found: 3.13): sudo apt install python3.12' in text
    assert 'g++' in text, 'everything that is missing is named at once'


def test_no_headers_and_no_venv_module(tmp_path):
    program(
        tmp_path / 'bin',
        'python3',
        'case "$2" in *ensurepip*) exit 1;; *sysconfig*) echo /nowhere;; '
        '*"import sys"*) echo python-of-debian; echo 3; echo 11;; esac',
    )
    program(tmp_path / 'bin', 'python-of-debian', 'exec python3 "$@"')
    text = refusal(tmp_path / 'bin', tmp_path / 'env')
    assert 'sudo apt install python3.11-dev' in text
    assert 'sudo apt install python3.11-venv' in text


def test_python_given_by_hand_must_be_suitable(tmp_path, machine):
    program(tmp_path, 'python3.9', 'echo /usr/bin/python3.9; echo 3; echo 9')
    with pytest.raises(machine.SetupError, match='PYTHON=.*python3.9 is Python 3.9'):
        machine.choose_python(str(tmp_path / 'python3.9'), machine.SUITABLE, None)
    with pytest.raises(machine.SetupError, match='PYTHON=no-such-python does not run'):
        machine.choose_python('no-such-python', machine.SUITABLE, None)


@pytest.mark.parametrize(
    ('version', 'usable'), [('3.16.3', False), ('3.22.0', True), ('3.28.3', True), ('4.1.0', True)]
)
def test_which_cmake_of_the_system_is_used(tmp_path, monkeypatch, machine, version, usable):
    monkeypatch.setenv('PATH', str(tmp_path))
    assert machine.cmake() is None
    program(tmp_path, 'cmake', f'echo cmake version {version}')
    assert bool(machine.cmake()) is usable


def test_sourced_ros_needs_more_than_a_variable(tmp_path, monkeypatch, machine):
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}/env:{tmp_path}/jazzy')
    for prefix in ('env', 'jazzy'):
        assert machine.sourced_ros(tmp_path / 'env') is None
        (tmp_path / prefix / 'share/rclpy').mkdir(parents=True)
        (tmp_path / prefix / 'share/rclpy/package.xml').touch()
    assert machine.sourced_ros(tmp_path / 'env') == ('jazzy', f'{tmp_path}/jazzy')


# ---- an environment that is damaged


@pytest.fixture
def environment(tmp_path, machine):
    """An environment that looks complete: an interpreter, the records of all pins, a stamp."""
    import setup_environment

    made = setup_environment.Environment(tmp_path / 'env', 'current', None)
    subprocess.run([PYTHON, '-m', 'venv', '--without-pip', made.path], check=True)
    for pin in [*setup_environment.pins(made.files), 'pip==24.0']:
        folder = made.site() / '{}-{}.dist-info'.format(*pin.replace('-', '_').split('=='))
        folder.mkdir()
        (folder / 'RECORD').touch()
    made.record(environment=made.fingerprint, python=PYTHON)
    assert made.is_whole()
    yield made
    made.lock.close()


@pytest.mark.parametrize(
    'damage',
    [
        lambda path: (path / 'setup.json').unlink(),
        lambda path: (path / 'setup.json').write_text('{"environ'),
        lambda path: (path / 'setup.json').write_text('{"environment": "of other requirements"}'),
        lambda path: shutil.rmtree(path / 'bin'),
        lambda path: shutil.rmtree(next(path.glob('lib/*/site-packages/pip-*'))),
        lambda path: shutil.rmtree(next(path.glob('lib/*/site-packages/numpy-*'))),
        lambda path: next(path.glob('lib/*/site-packages/ros_rclpy-*/RECORD')).unlink(),
    ],
    ids=[
        'interrupted',
        'torn record',
        'other requirements',
        'no interpreter',
        'no pip',
        'lost package',
        'half a package',
    ],
)
def test_damage_is_noticed(environment, damage):
    damage(environment.path)
    assert not environment.is_whole()


def test_a_deleted_python_is_noticed(environment):
    for interpreter in environment.path.glob('bin/python*'):
        interpreter.unlink()
        interpreter.symlink_to('/nowhere/bin/python3')
    assert not environment.is_whole()


def test_another_python_is_wanted(environment, monkeypatch, machine):
    monkeypatch.setattr(machine, 'find_python', lambda *_: (('/another/python3', (3, 12)), ''))
    environment.wanted = '/another/python3'
    assert not environment.is_whole()


def test_a_lost_file_of_the_package_is_noticed(environment):
    installed = environment.path / 'share' / 'a.yaml'
    installed.parent.mkdir()
    installed.touch()
    environment.build.mkdir()
    (environment.build / 'install_manifest.txt').write_text(f'{installed}\n')
    environment.record(package=environment.sources())
    assert environment.package_is_whole()
    installed.unlink()
    assert not environment.package_is_whole()


def test_physics_is_added_where_it_is_lacking(environment, monkeypatch):
    asked = []
    monkeypatch.setattr(environment, 'pip', lambda *arguments: asked.append(arguments))
    environment.add_physics()
    ((options, pin),) = asked  # the rest is in the environment anyway
    assert options == '--no-deps' and pin.startswith('mujoco==')
    folder = environment.site() / '{}-{}.dist-info'.format(*pin.split('=='))
    folder.mkdir()
    (folder / 'RECORD').touch()
    environment.add_physics()
    assert len(asked) == 1 and environment.is_whole()


def test_ros2_launch_is_added_where_there_are_wheels_of_it(environment, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(environment, 'pip', lambda *arguments: (asked.append(arguments), folder.mkdir()))
    wheels, folder = tmp_path / 'wheels', environment.path / 'ros2-tools'
    environment.add_ros2_tools(wheels)
    assert not asked and f'no wheels of ros2 launch in {wheels}: its tests are skipped' in capsys.readouterr().out
    wheels.mkdir()
    for version in ('3.4.3', '3.4.4'):
        wheels.joinpath(f'launch-{version}-py3-none-any.whl').touch()
        for _ in range(2):
            environment.add_ros2_tools(wheels)
    assert len(asked) == 2 and asked[-1][-1].name == 'launch-3.4.4-py3-none-any.whl'
    assert not capsys.readouterr().out
    shutil.rmtree(wheels)
    environment.add_ros2_tools(wheels)
    assert not folder.exists(), 'tests would find it, although they are declared as skipped'


def test_a_folder_that_is_no_environment_is_left_alone(environment, machine):
    environment.stamp.unlink()
    (environment.path / 'pyvenv.cfg').unlink()
    with pytest.raises(machine.SetupError, match='is not a Python environment'):
        environment.clear()
    assert environment.site().exists()


def test_what_is_left_of_an_environment_is_cleared(environment):
    environment.clear()
    assert [path.name for path in environment.path.iterdir()] == ['setup.json']


def test_two_at_once_wait_for_each_other(tmp_path):
    with (tmp_path / 'env.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(tmp_path, tmp_path / 'env')
        assert 'waiting for another set-up' in process.stdout.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=30)
    assert process.returncode == 130
    assert 'Traceback' not in text
    assert not os.path.exists(tmp_path / 'env')
