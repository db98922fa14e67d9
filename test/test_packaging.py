# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The package as it is installed: versions, messages, executables, shared files, pins."""

import configparser
import importlib
import importlib.util
import os
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import dmpcrl_ros

ROOT = Path(__file__).resolve().parent.parent
MESSAGES = sorted((ROOT / 'msg').glob('*.msg'), key=lambda path: path.stem)
CONFIGURATION = configparser.ConfigParser()
CONFIGURATION.read(ROOT / 'setup.cfg')
RUFF = tomllib.loads((ROOT / 'pyproject.toml').read_text())['tool']['ruff']
HEADER = re.compile(RUFF['lint']['flake8-copyright']['notice-rgx'])
# Sources whose header ruff does not check: it reads Python only.
OTHER_SOURCES = [ROOT / 'CMakeLists.txt', ROOT / 'Makefile', *MESSAGES] + [
    path for pattern in ('cmake/*.cmake', 'config/*.yaml') for path in sorted(ROOT.glob(pattern))
]
REQUIRED = [Requirement(line) for line in CONFIGURATION['options']['install_requires'].split()]
SCRIPTS = dict(re.findall(r'(\w+) *= *([\w.:]+)', CONFIGURATION['options.entry_points']['console_scripts']))
MANIFEST = ElementTree.parse(ROOT / 'package.xml')

needs_ros = pytest.mark.skipif(importlib.util.find_spec('rclpy') is None, reason='ROS 2 is not installed')


def prefix():
    from ament_index_python.packages import get_package_prefix

    return Path(get_package_prefix('dmpcrl_ros'))


def pins(text):
    """Name -> version of every name==version in a text."""
    return dict(re.findall(r'^[\s"]*([\w.-]+)(?:\[\w+\])?==([\w.]+)', text, re.MULTILINE))


def requirements(name):
    return pins((ROOT / 'requirements' / name).read_text())


@needs_ros
def test_the_tests_import_the_installed_package():
    assert Path(dmpcrl_ros.__file__).parent != ROOT / 'dmpcrl_ros'


def test_one_version_everywhere():
    assert MANIFEST.findtext('version') == dmpcrl_ros.__version__
    assert CONFIGURATION['metadata']['version'] == dmpcrl_ros.__version__


def test_the_manifest_names_the_python_dependencies():
    keys = {element.text for element in MANIFEST.findall('exec_depend')}
    spelling = {'PyYAML': 'python3-yaml', 'casadi': 'casadi-pip'}
    without_key = {'cloup', 'daqp'}
    names = {requirement.name for requirement in REQUIRED} - without_key
    assert {spelling.get(name, f'python3-{name}') for name in names} <= keys


def test_the_manifest_names_the_ros_packages_that_the_code_imports():
    named = {element.text for tag in ('depend', 'exec_depend') for element in MANIFEST.findall(tag)}
    sources = [*ROOT.glob('dmpcrl_ros/**/*.py'), *ROOT.glob('launch/*.py')]
    imported = {
        name
        for source in sources
        for name in re.findall(r'^\s*(?:from|import) (\w+)', source.read_text(), re.MULTILINE)
    }
    of_ros = {name for name in imported if re.fullmatch(r'rclpy|launch|launch_ros|\w+_(msgs|srvs|interfaces)', name)}
    assert of_ros <= named


@needs_ros
@pytest.mark.parametrize('path', MESSAGES, ids=lambda path: path.stem)
def test_a_message_is_installed_as_written(path):
    index = prefix() / 'share/ament_index/resource_index/rosidl_interfaces/dmpcrl_ros'
    assert f'msg/{path.name}' in index.read_text().splitlines()
    lines = (line.split('#')[0].split() for line in path.read_text().splitlines())
    fields = [words[1] for words in lines if words and '=' not in ''.join(words)]
    message = getattr(importlib.import_module('dmpcrl_ros.msg'), path.stem)
    assert list(message.get_fields_and_field_types()) == fields


@needs_ros
@pytest.mark.parametrize('name', SCRIPTS)
def test_an_executable_is_installed_and_leads_somewhere(name):
    module, function = SCRIPTS[name].split(':')
    assert callable(getattr(importlib.import_module(module), function))
    assert os.access(prefix() / 'lib/dmpcrl_ros' / name, os.X_OK)


@needs_ros
@pytest.mark.parametrize('folder', ['launch', 'config'])
def test_launch_files_and_configuration_are_shared(folder):
    from ament_index_python.packages import get_package_share_directory

    installed = Path(get_package_share_directory('dmpcrl_ros')) / folder
    names = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
    assert names and names <= {path.name for path in installed.iterdir()}


@pytest.mark.parametrize('path', OTHER_SOURCES, ids=lambda path: path.name)
def test_a_source_begins_with_its_licence(path):
    assert HEADER.match(path.read_text())


@pytest.mark.parametrize('name', ['python.txt', 'jazzy.txt'])
def test_pins_lie_within_the_bounds_of_the_package(name):
    versions = {pin.lower(): version for pin, version in requirements(name).items()}
    for requirement in REQUIRED:
        assert versions[requirement.name.lower()] in requirement.specifier, requirement


def test_jazzy_pins_are_the_lower_bounds():
    """So that `make test-jazzy` tries the oldest versions that are promised to work."""
    versions = requirements('jazzy.txt')
    for requirement in REQUIRED:
        (bound,) = requirement.specifier
        if requirement.name.lower() in ('numpy', 'scipy', 'click', 'cloup', 'rich', 'jsonschema', 'pyyaml'):
            assert versions[requirement.name.lower()].startswith(bound.version)


@pytest.mark.parametrize('name', ['pyproject.toml', 'setup.cfg'])
def test_ros_wheels_have_the_same_version_everywhere(name):
    named = pins((ROOT / name).read_text())
    assert named and named.items() <= requirements('ros.txt').items()


@pytest.mark.parametrize('path', sorted((ROOT / 'requirements').iterdir()), ids=lambda path: path.name)
def test_requirements_are_pins_and_nothing_else(path):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith('#')]
    assert lines and all(re.fullmatch(r'[\w.-]+==[\w.]+', line) for line in lines)
