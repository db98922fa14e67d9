# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A failure at one agent: no agent learns from the step, all report it, and the run continues."""

import numpy as np
import pytest
from helpers import Told, Watch

from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import chain


class Watched(Watch):
    """Driver of a closed loop of three agents, one of which cannot solve its problem in one phase of one step."""

    def __init__(self, *, victim=1, fails_at=-1, phase='act', **settings):
        super().__init__()
        settings = {
            'coordination': 'admm',
            'admm__iterations': 10,
            'learning__exploration': False,
            'learning__rate': 1e-4,
        } | settings
        self.loop = ClosedLoop(chain(3), Settings(**settings), drive=self)
        self.thetas = []  # after every step
        mpc = self.loop.agents[victim].mpc
        solve = mpc.solve

        def broken(linear=0.0):
            if (self.step, self.has_acted(victim)) == (fails_at, phase == 'learn'):
                raise QpFailure('the sky fell')
            return solve(linear)

        mpc.solve = broken

    def __call__(self, programs):
        outcome = super().__call__(programs)
        self.thetas.append([agent.theta for agent in self.loop.agents])
        return outcome

    def run(self, steps):
        return list(self.loop.run(steps))

    def learned(self):
        """Steps in which the transitions ended that each agent learns from, and their TD errors."""
        kept = [agent.snapshot() for agent in self.loop.agents]
        return [each['steps'].tolist() for each in kept], np.array([each['td_errors'] for each in kept])


def void(steps):
    return [step.step for step in steps if np.isnan(step.metrics['td_error'])]


def test_without_a_failure_all_is_learned():
    watched = Watched()
    assert void(watched.run(10)) == []
    assert watched.learned()[0] == [list(range(1, 11))] * 3


@pytest.mark.parametrize('victim', [0, 1, 2])
@pytest.mark.parametrize(
    'fails_at, phase, lost',
    [
        (3, 'act', [2, 3]),  # neither V(s_3), which ends transition 2, nor Q(s_3, a_3) = V(s_3), which begins 3
        (4, 'act', [3]),  # Q(s_4, a_4) is evaluated anew after the update of step 4
        (4, 'learn', [4]),  # that evaluation fails
    ],
)
def test_a_transition_that_is_void_at_one_agent_is_learned_by_none(victim, fails_at, phase, lost):
    watched = Watched(victim=victim, fails_at=fails_at, phase=phase)
    steps = watched.run(10)
    assert void(steps) == lost
    learned, td_errors = watched.learned()
    assert learned == [[t + 1 for t in range(10) if t not in lost]] * 3
    assert np.ptp(td_errors, axis=0).max() < 1e-9  # the same TD errors everywhere
    assert all(np.isfinite(step.actions).all() and np.abs(step.actions).max() <= 1.0 for step in steps)


def test_the_parameters_of_no_agent_change_by_a_void_transition():
    """Step 1 fails: transitions 0 and 1 are void. At step 2 there is nothing to learn from; at step 4 there is."""
    whole, faulty = Watched(), Watched(fails_at=1)
    for watched in (whole, faulty):
        watched.run(6)
    for agent in range(3):
        first = whole.thetas[0][agent]
        assert not np.array_equal(whole.thetas[2][agent], first)
        assert np.array_equal(faulty.thetas[2][agent], first)
        assert not np.array_equal(faulty.thetas[4][agent], first)


@pytest.mark.parametrize('victim', [0, 1, 2])
@pytest.mark.parametrize('fails_at, phase', [(3, 'act'), (4, 'act')])
def test_the_step_that_failed_is_explained_by_every_agent(victim, fails_at, phase):
    watched = Watched(victim=victim, fails_at=fails_at, phase=phase)
    watched.run(10)
    for agent in range(3):
        fault = watched.reports[fails_at][agent].fault
        assert 'the sky fell' in fault if agent == victim else 'only 2 of 3 agents' in fault


@pytest.mark.parametrize('victim', [0, 1, 2])
@pytest.mark.parametrize('fails_at, phase', [(3, 'act'), (4, 'act'), (4, 'learn')])
def test_every_agent_says_why_a_transition_was_not_learned(victim, fails_at, phase):
    """Status: `fault` says why nothing was learned in this step, and is empty when all went well. That an agent failed
    one step before does not make it silent."""
    steps = Watched(victim=victim, fails_at=fails_at, phase=phase).run(10)
    for step in steps:
        if np.isnan(step.metrics['td_error']):
            assert all(step.faults), f'transition {step.step}: {step.faults}'
    assert [step.step for step in steps if any(step.faults)] == sorted({*void(steps), fails_at - 1})


def test_a_state_that_one_agent_cannot_read_is_a_fault_and_not_the_end():
    loop = ClosedLoop(chain(3), Settings(coordination='admm', admm__iterations=10, learning__exploration=False))
    loop.agents[0] = Told(loop.agents[0], lambda step: {'state': np.full(2, np.nan)} if step == 4 else {})
    seen = list(loop.run(8))
    assert void(seen) == [3, 4]  # what ends there and what begins there
    assert 'not finite' in seen[3].faults[0] and np.isfinite([step.actions for step in seen]).all()


def test_after_a_failure_the_agent_goes_on_with_its_last_plan():
    watched, alike = Watched(fails_at=3), Watched()
    mpc, planned = alike.loop.agents[1].mpc, []
    inputs = mpc.inputs
    mpc.inputs = lambda solution: planned.append(inputs(solution)) or planned[-1]
    alike.run(4)
    found = watched.run(6)[3].actions[1]
    assert found == pytest.approx(np.clip(planned[2][1], -1.0, 1.0).item(), abs=1e-12)
    assert [act.fallback for act in watched.acts(1)] == [step == 3 for step in range(7)]


def test_an_update_that_one_agent_refuses_is_made_by_none_and_said_by_all():
    """A rate that throws the bounds across each other at one agent."""
    watched = Watched()
    agent = watched.loop.agents[1]
    update = agent.learner.update

    def reckless(step, theta):
        new = yield from update(step, theta)
        if step == 4:
            new.theta[agent.mpc.layout.slices['x_lb']] = 99.0
        return new

    agent.learner.update = reckless
    watched.run(8)
    assert 'lies above the upper one' in watched.reports[4][1].fault
    for index in range(3):
        assert 'update refused' in watched.reports[4][index].fault
        assert np.array_equal(watched.thetas[4][index], watched.thetas[3][index])
        assert not np.array_equal(watched.thetas[6][index], watched.thetas[4][index])
