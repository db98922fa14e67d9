# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Active sets that alternate from round to round come to rest where messages are damped."""

from itertools import islice

import numpy as np
import pytest
from coordinated import Central, Coordinated

from dmpcrl_ros.mpc.damping import Damping
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.testing.hard_states import coupled_thetas, hard_states


@pytest.fixture(scope='module')
def network():
    return chain(4)


@pytest.fixture(scope='module')
def states(network):
    """States from which the active sets of cold agents alternate."""
    drawn = list(islice(hard_states(network, 60, 1), 60))
    return [drawn[k] for k in (14, 39, 57, 59)]


def test_direct_rounds_alternate_for_ever(network, states, monkeypatch):
    monkeypatch.setattr(Damping, 'damps', lambda self, number: False)
    coordinated = Coordinated(network, coupled_thetas(network), rounds=400)
    for state in states:
        for method in coordinated.methods:
            method.reset()
        outcomes = coordinated.evaluate(state)
        assert not outcomes[0].certified and outcomes[0].change > 1e-4


def test_damped_rounds_end_at_the_solution_of_the_network(network, states):
    thetas = coupled_thetas(network)
    coordinated, central = Coordinated(network, thetas), Central(network, thetas)
    for state in states:
        for method in coordinated.methods:
            method.reset()
        outcomes = coordinated.evaluate(state)
        action, value, gradient = central.evaluate(state)
        assert all(outcome.certified for outcome in outcomes)
        assert coordinated.action(outcomes) == pytest.approx(action, abs=1e-8)
        assert outcomes[0].answers['V'].value == pytest.approx(value, rel=1e-9)
        assert coordinated.gradient(outcomes) == pytest.approx(gradient, rel=1e-7, abs=1e-7 * np.abs(gradient).max())


@pytest.mark.parametrize('diameter', [0, 1, 3, 11])
def test_small_changes_count_only_after_three_direct_messages(diameter):
    damping = Damping(diameter)
    for number in range(damping.rounds):
        direct = [not damping.damps(k) for k in range(number - 3, number)]
        assert damping.shows(number) == all(direct)
    assert not any(damping.damps(k) for k in range(2 * diameter + 16))
    shown = [k for k in range(2 * diameter + 16, damping.rounds) if damping.shows(k)]
    assert len(shown) >= 8 * diameter  # in each turn, long enough for the news of all agents
