"""When something fails at one agent: nobody learns from it, everybody says so, and the run goes on."""
import numpy as np
import pytest

from dmpcrl_ros.mpc.qp import QpFailure
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import chain


class Watched:
    """A closed loop of three agents, one of which cannot solve its problem in one phase of one step."""

    def __init__(self, *, victim=1, fails_at=-1, phase='act', **settings):
        settings = {'admm_iterations': 10, 'exploration': False, 'learning_rate': 1e-4} | settings
        self.loop = ClosedLoop(chain(3), Settings(**settings))
        self.learned = [[] for _ in self.loop.agents]       # (step, TD error) as every learner was told
        self.reports = [[] for _ in self.loop.agents]
        self.thetas = []                                    # after every step
        self._now = None
        self._failure = (fails_at, phase)
        for index, agent in enumerate(self.loop.agents):
            self._watch(index, agent)
        self._break(self.loop.agents[victim].mpc)

    def _watch(self, index, agent):
        act, learn, observe = agent.act, agent.learn, agent.learner.observe

        def watched_act(step, state, exogenous):
            self._now = (step, 'act')
            return (yield from act(step, state, exogenous))

        def watched_learn(step, episode, stage_cost):
            self._now = (step, 'learn')
            report = yield from learn(step, episode, stage_cost)
            self.reports[index].append(report)
            if index == 2:
                self.thetas.append([other.mpc.theta for other in self.loop.agents])
            return report

        def watched_observe(transition):
            self.learned[index].append((self._now[0], transition.td_error))
            observe(transition)

        agent.act, agent.learn, agent.learner.observe = watched_act, watched_learn, watched_observe

    def _break(self, mpc):
        solve = mpc.solve

        def broken(linear=0.0):
            if self._now == self._failure:
                raise QpFailure('the sky fell')
            return solve(linear)

        mpc.solve = broken

    def run(self, steps):
        return list(self.loop.run(steps))


def void(steps):
    return [step.step for step in steps if np.isnan(step.td_error)]


def test_without_a_failure_all_is_learned():
    watched = Watched()
    assert void(watched.run(10)) == []
    assert [step for step, _ in watched.learned[0]] == list(range(1, 11))


@pytest.mark.parametrize('victim', [0, 1, 2])
@pytest.mark.parametrize('fails_at, phase, lost', [
    (3, 'act', [2, 3]),       # neither V(s_3), which ends transition 2, nor Q(s_3, a_3) = V(s_3), which begins 3
    (4, 'act', [3]),          # Q(s_4, a_4) is evaluated anew after the update of step 4
    (4, 'learn', [4]),        # that evaluation fails
])
def test_a_transition_that_is_void_at_one_agent_is_learned_by_none(victim, fails_at, phase, lost):
    watched = Watched(victim=victim, fails_at=fails_at, phase=phase)
    steps = watched.run(10)
    assert void(steps) == lost
    for learned in watched.learned:
        assert [step - 1 for step, _ in learned] == [t for t in range(10) if t not in lost]
    told = np.array([[td_error for _, td_error in learned] for learned in watched.learned])
    assert np.ptp(told, axis=0).max() < 1e-9                # the same TD errors everywhere
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
        fault = watched.reports[agent][fails_at].fault
        assert 'the sky fell' in fault if agent == victim else 'only 2 of 3 agents' in fault


@pytest.mark.parametrize('victim', [0, 1, 2])
@pytest.mark.parametrize('fails_at, phase', [(3, 'act'), (4, 'act'), (4, 'learn')])
def test_every_agent_says_why_a_transition_was_not_learned(victim, fails_at, phase):
    """Status: `fault` says why nothing was learned in this step, and is empty when all went well. That an agent failed
    one step before does not make it silent."""
    steps = Watched(victim=victim, fails_at=fails_at, phase=phase).run(10)
    for step in steps:
        if np.isnan(step.td_error):
            assert all(step.faults), f'transition {step.step}: {step.faults}'
    assert [step.step for step in steps if any(step.faults)] == sorted({*void(steps), fails_at - 1})


def test_a_state_that_one_agent_cannot_read_is_a_fault_and_not_the_end():
    loop = ClosedLoop(chain(3), Settings(admm_iterations=10, exploration=False))
    states = loop.plant.states

    def observed():
        parts = states()
        if loop.lost:
            parts[0] = np.full(2, np.nan)
        return parts

    loop.plant.states, loop.lost, seen = observed, False, []
    for step in loop.run(8):
        seen.append(step)
        loop.lost = step.step == 2                          # the next that is observed is that of step 4
    assert void(seen) == [3, 4]                             # what ends there and what begins there
    assert 'not finite' in seen[3].faults[0] and np.isfinite([step.actions for step in seen]).all()


def test_after_a_failure_the_agent_goes_on_with_its_last_plan():
    watched, alike = Watched(fails_at=3), Watched()
    planned = {}
    agent = alike.loop.agents[1]
    executed = agent._executed

    def remember(chosen):
        action = executed(chosen)
        planned[alike._now[0]] = agent._plan.copy()
        return action

    agent._executed = remember
    alike.run(4)
    found = watched.run(6)[3].actions[1]
    assert found == pytest.approx(np.clip(planned[2][1], -1.0, 1.0).item(), abs=1e-12)


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
    assert 'lies above the upper one' in watched.reports[1][4].fault
    for index in range(3):
        assert 'update refused' in watched.reports[index][4].fault
        assert np.array_equal(watched.thetas[4][index], watched.thetas[3][index])
        assert not np.array_equal(watched.thetas[6][index], watched.thetas[4][index])
