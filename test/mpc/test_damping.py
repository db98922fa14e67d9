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
def test_a_small_change_counts_where_messages_are_direct_before_and_until_it_is_known(diameter):
    damping, first = Damping(diameter), 2 * diameter + 16
    assert [k for k in range(first + 9) if damping.damps(k)] == list(range(first, first + 8))
    assert damping.rounds == first + 8 * (8 + 2 * diameter + 3)
    shown = [k for k in range(first - diameter + 1, damping.rounds - diameter) if damping.shows(k)]
    turns = np.arange(8)[:, None] * (2 * diameter + 11)
    after_damped = first + 8 + 3 + turns + np.arange(diameter + 1)  # three direct messages, and D rounds are left
    assert shown == after_damped[after_damped < damping.rounds - diameter].tolist()


def test_the_value_is_the_same_at_all_agents_where_the_solver_leaves_a_row_beyond_its_bound():
    """A row on its bound, which the solver left 2e-9 beyond it with a multiplier far below the penalty."""
    network = chain(4)
    thetas = coupled_thetas(network)
    coordinated = Coordinated(network, thetas)
    states = next(islice(hard_states(network, 444, 1), 443, None))
    outcomes = coordinated.evaluate(states)
    _, value, gradient = Central(network, thetas).evaluate(states)
    assert [outcome.certified for outcome in outcomes] == [True] * 4
    assert [outcome.answers['V'].value for outcome in outcomes] == pytest.approx([value] * 4, rel=1e-9)
    assert coordinated.gradient(outcomes) == pytest.approx(gradient, rel=1e-6, abs=1e-7 * np.abs(gradient).max())
