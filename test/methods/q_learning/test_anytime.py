# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Deadlines, lost neighbours, and learning that is held."""

import numpy as np
import pytest
from helpers import Told, agents_of, interrupted, never, nth, observation, without

from dmpcrl_ros.core.exchange import DeadlineReached
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import step_in_lockstep
from dmpcrl_ros.systems.linear.chain import chain

STATES = [np.array([0.3, 0.1]), np.array([0.2, 0.2]), np.array([0.1, 0.3])]


def acting(agents, chosen=never, error=None):
    """Acts and reports of a step of all agents; where an error is given, it reaches all in the exchange chosen."""
    programs = [agent.step(observation(state)) for agent, state in zip(agents, STATES, strict=True)]
    acts, reports, _ = step_in_lockstep(
        [interrupted(program, chosen(), error) if error else program for program in programs]
    )
    return [act.action for act in acts], [act.fallback for act in acts], reports


@pytest.mark.parametrize('kind', ['copies', 'averages'])
def test_when_time_is_up_the_action_is_that_of_the_iterations_until_then(kind):
    """The input is the agent's own part of its last local solution: the eighth, in the eighth round of either kind."""
    late, eight = (agents_of(chain(3), admm__iterations=count, learning__exploration=False) for count in (50, 8))
    actions, fallbacks, reports = acting(late, lambda: nth(8, kind), DeadlineReached('out of time in round 15'))
    assert np.array_equal(actions, acting(eight)[0]) and not any(fallbacks)
    for report in reports:
        assert report.fault == 'out of time in round 15'
        assert report.metrics['admm_iterations'] == 8 and report.metrics['primal_residual'] > 0.0
        assert 'td_error' not in report.metrics


@pytest.mark.parametrize('warm_start', [False, True])
def test_before_anything_was_agreed_there_is_no_decision_and_nothing_is_left_half_done(warm_start):
    settings = {'learning__exploration': False, 'coordination': 'admm', 'admm__warm_start': warm_start}
    agents = agents_of(chain(3), **settings)
    actions, fallbacks, reports = acting(agents, lambda: nth(1, 'copies'), DeadlineReached('out of time'))
    assert fallbacks == [True] * 3 and not np.any(actions)  # the safe input, as there is no plan
    assert [report.fault for report in reports] == ['out of time'] * 3
    assert np.array_equal(acting(agents)[0], acting(agents_of(chain(3), **settings))[0])


def test_after_a_late_step_all_agents_start_from_zero_together():
    """One alone would break the zero sum of the multipliers, and with it every value from then on."""
    warm = {'learning__exploration': False, 'coordination': 'admm', 'admm__warm_start': True}
    agents, fresh, healthy = (agents_of(chain(3), **warm) for _ in range(3))
    acting(agents, lambda: nth(8, 'averages'), DeadlineReached('out of time'))
    acting(healthy)
    expected = acting(fresh)[0]
    assert np.array_equal(acting(agents)[0], expected)
    assert not np.array_equal(acting(healthy)[0], expected)  # a warm start would have been noticed


def test_the_last_plan_is_followed_for_the_declared_steps_and_then_the_safe_input():
    (agent,) = agents_of(chain(1), fallback_steps=4, learning__exploration=False)
    step_in_lockstep([agent.step(observation(np.array([0.3, 0.9])))])
    plan = agent.mpc.inputs(agent.mpc.solution())
    found = [agent.fallback() for _ in range(7)]
    assert np.allclose(found[:4], plan[1:5]) and np.array_equal(found[4:], [[0.0]] * 3)


def held_run(steps, held):
    loop = ClosedLoop(chain(3), Settings(coordination='admm', admm__iterations=10, learning__exploration=False))
    loop.agents[1] = Told(loop.agents[1], lambda step: {'hold': 'learning is stopped' if step in held else ''})
    return [([agent.theta for agent in loop.agents], step) for step in loop.run(steps)]


def test_where_one_agent_holds_learning_back_nobody_learns_and_afterwards_all_do():
    """`held` are the steps in which it is; the update of step k + 1 shows when transition k has ended."""
    thetas = held_run(30, held=range(11, 21))
    frozen = thetas[9][0]
    for before in thetas[9:19]:
        assert all(np.array_equal(a, b) for a, b in zip(before[0], frozen, strict=True))
    faults = thetas[12][1].faults
    assert faults[1] == 'learning is stopped' and set(faults[::2]) == {'learning is held by another agent'}
    assert np.isnan(thetas[12][1].metrics['td_error'])
    assert not any(np.array_equal(a, b) for a, b in zip(thetas[25][0], frozen, strict=True))


@pytest.mark.parametrize('warm_start', [True, False])
def test_without_a_lost_neighbour_the_others_agree_and_keep_its_last_prediction(warm_start):
    """Agent 0 of three is lost after a step: the driver still runs it, but no agent hears it. Agents 1 and 2 then
    solve the chain of both with x_0 as it was predicted: all residuals vanish, so that of the copy of x_0 does, too,
    which is still the held one."""
    settings = {
        'coordination': 'admm',
        'admm__iterations': 400,
        'learning__exploration': False,
        'admm__warm_start': warm_start,
    }
    agents, whole = agents_of(chain(3), **settings), agents_of(chain(3), **settings)

    def prediction_of_0(agent):
        """The average z that agent 1 has of x_0, the first of its copies: admm.linear is y - rho z."""
        admm = agent.admm
        return np.split((admm.multipliers - admm.linear) / admm.options.rho, 3)[1]

    acting(agents)
    acting(whole)
    held = prediction_of_0(agents[1])
    states = [-STATES[0], *STATES[:0:-1]]
    programs = [agent.step(observation(state, step=1)) for agent, state in zip(agents, states, strict=True)]
    _, reports, _ = step_in_lockstep([programs[0], *(without(program, 0) for program in programs[1:])])
    assert prediction_of_0(agents[1]) == pytest.approx(held, rel=0.0, abs=1e-12)
    for report in reports[1:]:
        assert max(report.metrics['primal_residual'], report.metrics['dual_residual']) < 1e-6
        assert 'ADMM' not in report.fault
    step_in_lockstep([agent.step(observation(state, step=1)) for agent, state in zip(whole, states, strict=True)])
    assert np.abs(prediction_of_0(whole[1]) - held).max() > 0.1  # with its neighbour it would have another
