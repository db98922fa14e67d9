# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The same seed gives the same run, bit for bit, in one process and over ROS 2 nodes."""

from pathlib import Path

import numpy as np
import pytest
from ros_system import dmpcrl

from dmpcrl_ros.recording.run_reader import load_run

pytest.importorskip('rclpy')
pytestmark = pytest.mark.timeout(240)
CARTS, RING = (str(Path(__file__).parents[2] / 'config' / name) for name in ('three_carts.yaml', 'ring_grid.yaml'))


@pytest.mark.parametrize(
    'arguments',
    [
        ['chain', '--steps', 24],
        [
            'chain',
            '--steps',
            20,
            '--chain.variant',
            'mallick2025',
            '--coordination',
            'admm',
            '--admm.iterations',
            30,
            '--no-admm.warm-start',
            '--consensus.averaging',
            'fixed',
            '--consensus.rounds',
            20,
        ],
        [
            'chain',
            '--steps',
            20,
            '--chain.agents',
            4,
            '--coordination',
            'admm',
            '--admm.tolerance',
            1e-4,
            '--consensus.averaging',
            'metropolis',
            '--consensus.rounds',
            30,
        ],
        [
            'chain',
            '--steps',
            24,
            '--chain.variant',
            'mallick2025',
            '--learning.order',
            'second',
            '--coordination',
            'admm',
            '--admm.iterations',
            30,
        ],
        ['chain', '--steps', 20, '--learning.order', 'second'],
        ['chain', '--steps', 20, '--method', 'nominal_mpc', '--model', 'exact'],
        ['chain', '--steps', 12, '--method', 'scenario_mpc', '--scenarios', 4],
        [CARTS, '--steps', 20],
        ['power_grid', '--steps', 103],  # into the second episode: one update
        ['chain', '--steps', 20, '--coordination', 'prices'],
        ['chain', '--steps', 16, '--coordination', 'packed-admm', '--admm.tolerance', 1e-3],
        [RING, '--steps', 124, '--learning.order', 'second'],
    ],
    ids=[
        'mallick2024',
        'mallick2025',
        'residual stop',
        'second order',
        'second order of mallick2024',
        'nominal',
        'scenario',
        'yaml',
        'reactions on the power grid',
        'prices',
        'packed ADMM, residual stop',
        'reactions on a ring, second order',
    ],
)
def test_same_numbers(tmp_path, domain, arguments):
    slow = {'power_grid', RING} & set(arguments)
    compare(tmp_path, arguments, [], updates=0 if '--method' in arguments else 1 if slow else 7)


@pytest.mark.parametrize(
    ('arguments', 'per_process'),
    [
        (['chain', '--steps', 12, '--chain.agents', 24, '--coordination', 'admm', '--admm.iterations', 10], 6),
        ([RING, '--steps', 124, '--coordination', 'admm', '--admm.iterations', 5, '--learning.order', 'second'], 2),
    ],
    ids=['24 agents in 4 processes', 'a ring, two areas in each process, second order'],
)
def test_agents_that_share_a_process_make_the_same_numbers(tmp_path, domain, arguments, per_process):
    compare(tmp_path, arguments, ['--agents-per-process', per_process], updates=1)


def test_what_was_trained_in_process_acts_over_ros(tmp_path, domain):
    kept = tmp_path / 'kept'
    done = dmpcrl('train', '--steps', 20, '--checkpoints', kept, '--no-figures', '--output', tmp_path / 'trained')
    assert done.returncode == 0, done.stdout + done.stderr
    compare(tmp_path, ['chain', '--steps', 12, '--no-learn', '--start-from', kept], [], updates=0)
    learned, used = (load_run(tmp_path / name).parameters['agent_2'].theta for name in ('trained', 'ros'))
    assert np.array_equal(used[0], learned[-1]) and not np.array_equal(learned[0], learned[-1])


def compare(folder, arguments, deployment, updates):
    """Compare all files of the run over ROS 2 with those of the run in process, and check the number of updates."""
    common = [*arguments, '--seed', 5, '--no-figures', '--no-baseline', '--output']
    for command, name in ((['run', '--round-timeout', 20, *deployment], 'ros'), (['train'], 'process')):
        done = dmpcrl(*command, *common, folder / name)
        assert done.returncode == 0, done.stdout + done.stderr
    names = {file.name for file in (folder / 'ros').glob('*.csv')}
    assert names == {file.name for file in (folder / 'process').glob('*.csv')} and len(names) >= 4
    for name in names:
        ours = (folder / 'ros' / name).read_text().splitlines()
        assert ours == (folder / 'process' / name).read_text().splitlines(), name
        assert len(ours) > (10 if name == 'steps.csv' else 1 + updates)  # a header, the first, and every update
