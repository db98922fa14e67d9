# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Files of ROS 2 parameters, as a launch file reads them."""

import pytest

from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.launching.parameter_file import shared_parameters


def written(folder, text):
    path = folder / 'parameters.yaml'
    path.write_text(text, encoding='utf-8')
    return path


def test_values_are_those_that_ros_reads(tmp_path):
    """rcl takes 1e-5 for a number, and y and no for truth values."""
    text = """
/**:
  ros__parameters:
    learning: {rate: 1e-5, exploration: n}
    learn: y
    real_time: no
    seed: 7
    system: chain
    checkpoints: '1e5'
"""
    assert shared_parameters(str(written(tmp_path, text))) == {
        'learning.rate': 1e-5,
        'learning.exploration': False,
        'learn': True,
        'real_time': False,
        'seed': 7,
        'system': 'chain',
        'checkpoints': '1e5',
    }


def test_parameters_of_single_nodes_are_left_to_them(tmp_path):
    assert shared_parameters(str(written(tmp_path, '/agent_1:\n  ros__parameters: {seed: 3}'))) == {}


@pytest.mark.parametrize('text', ['- a', 'a: [', '!!python/object/apply:os.getcwd []'])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    with pytest.raises(SettingError, match='parameters.yaml is no YAML file of ROS 2 parameters'):
        shared_parameters(str(written(tmp_path, text)))
