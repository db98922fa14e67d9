# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Ticks in real time, on a clock of the test's own."""

import pytest

from dmpcrl_ros.transport import loop_timer as module
from dmpcrl_ros.transport.loop_timer import LoopTimer


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(module.time, 'monotonic', lambda: Clock.now)
    return Clock


def test_ticks_are_equally_far_apart_however_long_a_step_takes(clock):
    timer = LoopTimer(0.1)
    assert timer.last_call() == pytest.approx(100.09)
    clock.now = 100.04
    assert timer.tick() == pytest.approx(100.1)
    clock.now = 100.199
    assert timer.tick() == pytest.approx(100.2) and timer.skipped == 0


def test_ticks_that_are_past_are_skipped_and_counted(clock):
    timer = LoopTimer(0.1)
    clock.now = 100.35
    assert timer.tick() == pytest.approx(100.4) and timer.skipped == 3


def test_the_report_tells_deadlines_latency_and_jitter(clock):
    timer = LoopTimer(0.1)
    for late, latency, met in ((0.001, 0.02, True), (0.003, 0.04, True), (0.002, 0.09, False)):
        tick = clock.now
        clock.now = tick + late
        timer.start()
        clock.now += latency
        timer.note(met)
        clock.now = timer.tick()
    assert timer.report() == (
        '66.67 % of 3 deadlines met, 0 ticks skipped; '
        'latency median 30.00, 95 % 39.00, worst 40.00 ms; '
        'jitter median 2.00, 95 % 2.90, worst 3.00 ms'
    )
