"""Ticks in real time, on a clock of the test's own."""
import pytest

from dmpcrl_ros.transport import pace as module
from dmpcrl_ros.transport.pace import Pace


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0
    monkeypatch.setattr(module.time, 'monotonic', lambda: Clock.now)
    return Clock


def test_ticks_are_equally_far_apart_however_long_a_step_takes(clock):
    pace = Pace(0.1)
    assert pace.last_call() == pytest.approx(100.09)
    clock.now = 100.04
    assert pace.tick() == pytest.approx(100.1)
    clock.now = 100.199
    assert pace.tick() == pytest.approx(100.2) and pace.skipped == 0


def test_ticks_that_are_past_are_skipped_and_counted(clock):
    pace = Pace(0.1)
    clock.now = 100.35
    assert pace.tick() == pytest.approx(100.4) and pace.skipped == 3


def test_the_report_tells_deadlines_latency_and_jitter(clock):
    pace = Pace(0.1)
    for late, latency, met in ((0.001, 0.02, True), (0.003, 0.04, True), (0.002, 0.09, False)):
        tick = clock.now
        clock.now = tick + late
        pace.start()
        clock.now += latency
        pace.note(met)
        clock.now = pace.tick()
    assert pace.report() == ('66.67 % of 3 deadlines met, 0 ticks skipped; '
                             'latency median 30.00, 95 % 39.00, worst 40.00 ms; '
                             'jitter median 2.00, 95 % 2.90, worst 3.00 ms')
