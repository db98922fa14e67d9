# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""theta <- theta + alpha mean(delta g), at the steps and with the rates that were agreed."""

import numpy as np
import pytest

from dmpcrl_ros.methods.learner import Transition
from dmpcrl_ros.methods.q_learning.first_order import FirstOrderQLearning
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer
from dmpcrl_ros.methods.q_learning.safeguards import Safeguards
from dmpcrl_ros.simulation.lockstep import run_lockstep


def learner(*, rate=0.1, decay=1.0, every=1, sample_size=3, latest=3, lower=-np.inf):
    return FirstOrderQLearning(
        learning_rate=rate,
        decay=decay,
        update_every=every,
        safeguards=Safeguards(lower=lower, upper=np.inf),
        replay=ReplayBuffer(capacity=10, sample_size=sample_size, latest=latest, seed=1),
    )


def updated(chosen, step, theta):
    (result,), rounds = run_lockstep([chosen.update(step, theta)])
    assert rounds == 0  # the first-order update needs no exchange
    assert not result.fault
    return result.theta


def test_an_update_by_hand():
    """The mean of 2 (1, 0), -1 (3, 1) and 4 (0, 0.5) is (2 - 3 + 0, 0 - 1 + 2) / 3; a tenth of it is added."""
    chosen = learner()
    for step, (td_error, gradient) in enumerate(((2.0, [1.0, 0.0]), (-1.0, [3.0, 1.0]), (4.0, [0.0, 0.5])), 1):
        chosen.observe(Transition(step, td_error, np.array(gradient)))
    assert updated(chosen, 3, np.array([5.0, 6.0])) == pytest.approx([5.0 - 0.1 / 3, 6.0 + 0.1 / 3], rel=1e-14)


def test_the_mean_is_over_what_there_is():
    chosen = learner(sample_size=3)
    chosen.observe(Transition(1, 2.0, np.array([3.0])))
    assert updated(chosen, 1, np.array([0.0])) == pytest.approx([0.1 * 6.0])


def test_only_the_drawn_transitions_count():
    chosen = learner(sample_size=2, latest=2)
    for step, td_error in enumerate((100.0, 1.0, 3.0), 1):
        chosen.observe(Transition(step, td_error, np.array([1.0])))
    assert updated(chosen, 3, np.array([0.0])) == pytest.approx([0.1 * 2.0])


def test_nothing_is_learned_from_nothing():
    assert updated(learner(), 3, np.array([1.0])) is None


def test_when_an_update_is_due_depends_on_the_step_alone():
    """An agent that was restarted, and has no transitions yet, stays in step with the others."""
    assert [step for step in range(10) if learner(every=3).due(step)] == [3, 6, 9]


def test_parameters_stay_within_their_bounds():
    chosen = learner(lower=np.array([0.9, -np.inf]))
    chosen.observe(Transition(1, -2.0, np.array([1.0, 1.0])))
    assert updated(chosen, 1, np.array([1.0, 1.0])) == pytest.approx([0.9, 0.8])


def test_an_update_does_not_change_the_vector_it_is_given():
    chosen, theta = learner(), np.array([1.0])
    chosen.observe(Transition(1, 1.0, np.array([1.0])))
    updated(chosen, 1, theta)
    assert theta.tolist() == [1.0]


def test_the_rate_begins_at_alpha_and_decays_by_its_factor_with_every_update():
    chosen = learner(rate=0.2, decay=0.5, every=2)
    for step in range(1, 9):
        chosen.observe(Transition(step, 1.0, np.array([1.0])))
    rates = [updated(chosen, step, np.zeros(1)).item() for step in (2, 4, 6, 8)]
    assert np.divide(rates[1:], rates[:-1]) == pytest.approx([0.5] * 3)
    assert rates[0] == pytest.approx(0.2)


def test_nothing_is_learned_from_before_a_reset():
    chosen, theta = learner(), np.array([1.0])
    chosen.observe(Transition(1, 1.0, np.array([1.0])))
    chosen.reset()
    assert updated(chosen, 1, theta) is None
