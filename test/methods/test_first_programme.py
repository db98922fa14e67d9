# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Systems whose agents have problems without a solution at their first parameters."""

import copy

import pytest
from helpers import DIRECTED

from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.description import from_description


def system_with_input_weight(weight):
    description = copy.deepcopy(DIRECTED)
    description['mpc']['terminal_cost'] = True  # the state after the last input costs something
    description['agents'][0]['cost']['input'] = [weight]
    return from_description(description)


def test_a_weight_that_is_too_small_for_admm_is_an_error_that_names_the_agent():
    with pytest.raises(SettingError, match='^tank: .*not convex.*other units, or --coordination reactions'):
        ClosedLoop(system_with_input_weight(1e-13), Settings(coordination='admm'))


@pytest.mark.parametrize('central', [False, True])
def test_reactions_solve_it(central):
    """The cost of the states that follow from the inputs makes the problem strictly convex."""
    loop = ClosedLoop(system_with_input_weight(1e-13), Settings(learning__exploration=False), central=central)
    assert not any(any(step.faults) for step in loop.run(3))
