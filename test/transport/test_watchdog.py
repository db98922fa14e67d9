# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""An input that does not come: the last one is held for the declared number of steps, then the safe one is applied."""

from dataclasses import replace

import numpy as np
import pytest

from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.transport.watchdog import ActionWatchdog

SAFE = np.array([0.25])


def network():
    two = chain(2)
    return replace(two, local=tuple(replace(data, safe_input=SAFE) for data in two.local))


@pytest.mark.parametrize('hold', [0, 1, 3])
def test_hold_then_safe(hold):
    watchdog = ActionWatchdog(network().agents)
    fresh, other = np.array([0.5]), np.array([-0.5])
    assert np.array_equal(watchdog.choose([fresh, other], hold), [fresh, other])
    for missed in range(1, 6):
        silent, talking = watchdog.choose([None, other + 0.1 * missed], hold)
        assert np.array_equal(silent, fresh if missed <= hold else SAFE)
        assert np.array_equal(talking, other + 0.1 * missed)
    assert np.array_equal(watchdog.choose([other, other], hold)[0], other)
    assert np.array_equal(watchdog.choose([None, other], hold)[0], other if hold else SAFE)


def test_before_anything_came_the_safe_inputs_are_applied_and_after_a_reset_again():
    watchdog = ActionWatchdog(network().agents)
    assert np.array_equal(watchdog.choose([None, None], 3), [SAFE, SAFE])
    watchdog.choose([np.array([0.5])] * 2, 3)
    watchdog.reset()
    assert np.array_equal(watchdog.choose([None, None], 3), [SAFE, SAFE])


def test_whatever_comes_is_applied_within_the_bounds():
    watchdog = ActionWatchdog(network().agents)
    assert np.array_equal(watchdog.choose([np.array([7.0]), np.array([-7.0])], 3), [[1.0], [-1.0]])  # u in [-1, 1]
    assert np.array_equal(watchdog.choose([None, None], 3), [[1.0], [-1.0]])


def test_another_number_of_steps_counts_from_when_the_input_was_missed_first():
    watchdog = ActionWatchdog(network().agents)
    fresh = np.array([0.5])
    watchdog.choose([fresh, fresh], 1)
    held = [watchdog.choose([None, fresh], hold)[0] for hold in (1, 2, 3)]
    assert np.array_equal(held, [fresh] * 3)
    assert np.array_equal(watchdog.choose([None, fresh], 1)[0], SAFE)
