# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Grids from YAML: any topology is read as it stands; errors name the area and the quantity."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import REMOVE, with_change

from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.files import load_system
from dmpcrl_ros.systems.power_grid.description import grid_from_description
from dmpcrl_ros.systems.power_grid.four_areas import description, power_grid

EXAMPLE = Path(__file__).parents[3] / 'config' / 'ring_grid.yaml'


def changed(path, value):
    """The description of the four areas with one change."""
    return with_change(description(), path, value)


def test_the_written_four_areas_are_read_as_the_same_grid(tmp_path):
    path = tmp_path / 'grid.yaml'
    path.write_text(yaml.safe_dump(description()))
    found, expected = Settings(system=str(path)).make_system(), power_grid()
    assert type(found) is type(expected) and found.names == expected.names
    assert np.array_equal(found.held().at(0.0), expected.held().at(0.0))
    assert all(np.array_equal(found.parameters(i)[1], expected.parameters(i)[1]) for i in range(4))


def test_the_commented_example_is_a_ring_that_runs():
    grid = load_system(EXAMPLE)
    assert all(len(parents) == 2 for parents in grid.graph.parents)
    steps = list(ClosedLoop(grid, Settings(system=str(EXAMPLE), coordination='admm', admm__iterations=10)).run(30))
    assert not any(any(step.faults) for step in steps)
    assert np.isfinite([step.costs.sum() for step in steps]).all()


def test_a_single_area_needs_no_line():
    whole = description() | {
        'areas': description()['areas'][:1],
        'lines': [],
        'loads': [{'step': 4, 'values': {'area_1': 0.15}}],
    }
    grid = grid_from_description(whole)
    steps = list(ClosedLoop(grid, Settings(coordination='admm', admm__iterations=5)).run(10))
    assert grid.graph.parents == ((),) and not any(any(step.faults) for step in steps)


def test_what_is_left_out_takes_its_default():
    whole = changed(['lines', 0, 'estimates'], REMOVE)
    del whole['mpc']['state'], whole['mpc']['input'], whole['episode_length'], whole['areas'][0]['load_noise']
    grid = grid_from_description(whole)
    assert dict(grid.local[0].estimates) == {1: 4.0} and grid.episode_length == 0 and grid.load_noise[0] == 0.0
    assert grid.local[0].state_weight.tolist() == [500.0, 0.01, 0.01, 10.0]


WRONG = {
    'loads that all inputs cannot serve': (
        ['loads', 3, 'values', 'area_4'],
        1.28,
        r'area_4: its load of 1.28 from step 39 .*add up to 1.16 .*to 0.7',
    ),
    'negative loads that cannot be supplied': (['loads', 1, 'values', 'area_2'], -1.0, r'area_2: its load of -1 from'),
    'coefficients that are not symmetric': (
        ['lines', 1, 'coefficient'],
        [2.0, 2.5],
        'area_2 and area_3: the coefficient .*not symmetric: 2 and 2.5',
    ),
    'a coefficient that is not positive': (['lines', 1, 'coefficient'], -2.0, 'area_2 and area_3: .*positive, not -2'),
    'a coefficient of NaN': (['lines', 1, 'coefficient'], float('nan'), 'area_2 and area_3: coefficient'),
    'an estimate of infinity': (['lines', 1, 'estimates'], [1.0, float('inf')], 'area_2 and area_3: estimates'),
    'a line given twice': (['lines', 1, 'areas'], ['area_2', 'area_1'], 'areas area_2 and area_1: there are two lines'),
    'a line to itself': (['lines', 1, 'areas'], ['area_2', 'area_2'], 'area area_2: a line connects it to itself'),
    'a line to nowhere': (['lines', 1, 'areas'], ['area_2', 'area_9'], "lines: 'area_9' is not an area"),
    'an isolated area': (['lines', 0], REMOVE, 'area area_1 is isolated'),
    'two islands': (['lines', 1], REMOVE, r'not connected.*\[0, 1\] and \[2, 3\].*2 is area_3'),
    'an unstable first model': (['lines', 0, 'estimates'], [-9.0, 3.0], r'area_1: the discretised .*-9.*unstable'),
    'a governor that is unstable': (['areas', 2, 'regulation'], 1e-3, 'area_3: the discretised model .*unstable'),
    'a model that is not finite': (['areas', 1, 'governor_time'], 1e-307, 'area_2: .*model is not finite'),
    'a time constant of zero': (['areas', 1, 'turbine_time'], 0.0, 'area area_2: turbine_time: 0.0'),
    'an inertia of NaN': (['areas', 1, 'inertia'], float('nan'), 'area area_2: inertia is not a finite number'),
    'a missing constant': (['areas', 1, 'inertia'], REMOVE, "area area_2: 'inertia' is a required property"),
    'a wrong key': (['areas', 1, 'colour'], 'red', "area area_2: .*'colour'"),
    'a name that ROS does not allow': (
        ['areas', 1, 'name'],
        'a__b',
        "name: 'a__b' is not allowed .*single underscores",
    ),
    'a name that a node has': (['areas', 1, 'name'], 'plant', 'not plant or monitor'),
    'two areas of one name': (['areas', 1, 'name'], 'area_1', 'areas must have different names'),
    'a load of no area': (['loads', 0, 'values'], {'area_9': 0.1}, "loads: 'area_9' is not an area"),
    'a load of NaN': (['loads', 0, 'values', 'area_1'], float('nan'), 'area_1 is not a finite number'),
    'loads out of order': (['loads', 1, 'step'], 4, 'loads: step 4 does not come after step 4'),
    'a first state of another size': (['areas', 1, 'initial_state'], [0.0], 'area area_2: initial_state'),
    'a weight of infinity': (['cost', 'state'], [float('inf'), 1.0, 1.0, 1.0], 'cost: state contains'),
    'an unknown parameter': (['areas', 1, 'parameters'], {'gain': [1.0]}, 'area area_2: no such parameter: gain'),
    'a parameter of the wrong size': (['areas', 1, 'parameters'], {'b': [1.0]}, 'area area_2: parameter b'),
    'weights that are not definite': (['areas', 1, 'parameters'], {'Q_u': [-1.0]}, 'area area_2: .*Q_x and Q_u'),
    'bounds of the angle that cross': (['areas', 1, 'parameters'], {'phi_lb': [0.3]}, 'area area_2: .*phi_lb'),
    'a replay that contradicts itself': (['learning', 'replay_sample'], 400, 'replay_latest, replay_sample'),
    'a wrong key of learning': (['learning', 'speed'], 1.0, "learning: .*'speed'"),
    'a horizon of zero': (['mpc', 'horizon'], 0, 'mpc.horizon'),
}


@pytest.mark.parametrize('path, value, message', WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_refused_with_area_and_quantity(path, value, message):
    with pytest.raises(NetworkError, match=message):
        grid_from_description(changed(path, value))


def test_the_file_is_named_in_the_error(tmp_path):
    path = tmp_path / 'grid.yaml'
    path.write_text(yaml.safe_dump(changed(['lines', 0], REMOVE)))
    with pytest.raises(NetworkError, match='grid.yaml: area area_1 is isolated'):
        load_system(path)
