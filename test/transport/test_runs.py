"""The number of a run contains that of its launch."""

import pytest

from dmpcrl_ros.transport import runs


@pytest.mark.parametrize('launch', [0, 1, 2**32 - 1])
def test_a_run_belongs_to_its_launch_and_to_no_other(launch):
    for run in (runs.no_run(launch), runs.first_run(launch), runs.first_run(launch) + 1000):
        assert run < 2**64
        assert [other for other in (0, 1, 2, 2**31, 2**32 - 1) if runs.belongs(run, other)] == [launch]
    assert runs.no_run(launch) < runs.first_run(launch)


def test_a_plant_that_starts_later_has_a_greater_run(monkeypatch):
    monkeypatch.setattr(runs.time, 'time', lambda: 1000.9)
    first = runs.first_run(7)
    monkeypatch.setattr(runs.time, 'time', lambda: 1001.0)
    assert runs.first_run(7) == first + 1


def test_of_two_plants_the_one_that_started_first_began_before(monkeypatch):
    monkeypatch.setattr(runs.time, 'time', lambda: 1000.0)
    first, same_second = runs.first_run(7), runs.first_run(9)
    monkeypatch.setattr(runs.time, 'time', lambda: 1001.0)
    later = runs.first_run(3)
    assert runs.began_before(first, later) and not runs.began_before(later, first)
    assert runs.began_before(first, same_second) != runs.began_before(same_second, first)
