# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Typing errors are distinguished from other names."""

import pytest

from dmpcrl_ros.core.names import hint, mistyped

OWN = [
    'system',
    'seed',
    'steps',
    'learn',
    'model',
    'agents',
    'round_timeout',
    'start_timeout',
    'action_timeout',
    'resend_after',
    'hold_steps',
    'admm.iterations',
    'admm.warm_start',
    'learning.step_limit',
]


@pytest.mark.parametrize(
    ('typed', 'meant'),
    [
        ('round_timeuot', 'round_timeout'),  # changed places
        ('sede', 'seed'),
        ('laern', 'learn'),
        ('admm.iteration', 'admm.iterations'),  # a letter less
        ('sytem', 'system'),
        ('adm.iterations', 'admm.iterations'),
        ('agent', 'agents'),
        ('admm.iterationss', 'admm.iterations'),  # more
        ('round_timeoud', 'round_timeout'),  # wrong
        ('Round_Timeout', 'round_timeout'),
        ('roundTimeout', 'round_timeout'),
        ('round-timeout', 'round_timeout'),  # as on a command line
        ('learning.step-limit', 'learning.step_limit'),
        ('admm_iterations', 'admm.iterations'),
        ('admm__iterations', 'admm.iterations'),  # as in Python
        ('admm/warm_start', 'admm.warm_start'),
        ('admm.warmstart', 'admm.warm_start'),
    ],
)
def test_a_typing_error_is_told_with_the_name_that_is_meant(typed, meant):
    assert mistyped(typed, OWN) == meant


@pytest.mark.parametrize(
    'name',
    [
        'foo',
        'mode',  # model
        'step',  # steps
        'lean',
        'state_timeout',  # all of these are more similar to an own name than 'sede' is to 'seed'
        'restart_timeout',
        'section_timeout',
        'reset_after',
        'round_trip_timeout',
        'gold_strips',
        'bond_heartbeat_period',
        'iterations',
        'max_steps',
        'controller_manager.update_rate',
        '',
    ],
)
def test_the_name_of_something_else_is_no_typing_error(name):
    assert mistyped(name, OWN) is None


def test_a_hint_is_the_most_similar_name_or_nothing():
    assert hint('iterations', OWN) == "; did you mean 'admm.iterations'?"
    assert hint('bond_heartbeat_period', OWN) == ''
