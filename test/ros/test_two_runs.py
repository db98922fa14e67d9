"""Two systems in one ROS domain: one runs as if it were alone, the other says what is wrong."""
import pytest
from ros_system import PATIENCE, dmpcrl, domain, leftovers, recorded_steps, start_dmpcrl, wait_for  # noqa: F401

pytest.importorskip('rclpy')


def arguments(seed, steps, output):
    return ['chain', '--steps', steps, '--seed', seed, '--no-figures', '--no-baseline', '--output', output]


def numbers(directory):
    return {file.name: file.read_text() for file in directory.glob('*.csv')}


@pytest.mark.parametrize('already_recorded', [None, 3], ids=['started together', 'one comes later'])
def test_two_runs_in_one_domain_do_not_mix(tmp_path, domain, already_recorded):  # noqa: F811
    runs = [(5, 120, tmp_path / 'first'), (6, 120, tmp_path / 'second')]
    processes = []
    for run in runs:
        processes.append(start_dmpcrl('run', *arguments(*run)))
        if already_recorded and len(processes) < len(runs):
            wait_for(lambda: recorded_steps(tmp_path / 'first') >= already_recorded, PATIENCE, 'the first steps')
    texts = [' '.join(process.communicate(timeout=PATIENCE)[0].split()) for process in processes]
    codes = [process.returncode for process in processes]
    # Both are complete where the second came up only after the first had ended, as on a machine under load.
    assert sorted(codes) in ([0, 1], [0, 0]) and (codes[0] == 0 or not already_recorded), texts
    for k, (seed, steps, output) in enumerate(runs):
        if codes[k] == 0:
            assert dmpcrl('train', *arguments(seed, steps, tmp_path / f'alone-{k}')).returncode == 0
            assert numbers(output) == numbers(tmp_path / f'alone-{k}')
        else:
            assert f'there before in ROS domain {domain}: choose another ROS_DOMAIN_ID' in texts[k], texts[k]
            assert 'Traceback' not in texts[k]
