"""An agent whose time is up, whose neighbours are gone, or whose learning is held back."""
import numpy as np
import pytest
from helpers import agents_of

from dmpcrl_ros.core.exchange import DeadlineReached, ExchangeTimeout
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.linear.chain import chain

STATES = [np.array([0.3, 0.1]), np.array([0.2, 0.2]), np.array([0.1, 0.3])]


def interrupted(program, kind, number, error):
    """A protocol into which `error` is thrown instead of the messages of the exchange `number` of a kind."""
    request, inbox = next(program), None
    try:
        while True:
            if request.kind == kind:
                number -= 1
                if number == 0:
                    request = program.throw(error)
                    continue
            inbox = yield request
            request = program.send(inbox)
    except StopIteration as end:
        return end.value


def acting(agents, kind='', number=0, error=None):
    programs = [agent.act(0, state) for agent, state in zip(agents, STATES, strict=True)]
    if error:
        programs = [interrupted(program, kind, number, error) for program in programs]
    return run_lockstep(programs)[0]


@pytest.mark.parametrize('kind', ['copies', 'averages'])
def test_when_time_is_up_the_action_is_that_of_the_iterations_until_then(kind):
    """The input is the agent's own part of its last local solution: the eighth, in the eighth round of either kind."""
    late, eight = (agents_of(chain(3), admm_iterations=count, exploration=False) for count in (50, 8))
    actions = acting(late, kind, 8, DeadlineReached('out of time in round 15'))
    assert np.array_equal(actions, acting(eight))
    for agent in late:
        assert agent.late == 'out of time in round 15' and not agent.fell_back
        report = agent.void(agent.late)
        assert report.admm_iterations == 8 and report.primal_residual > 0.0 and report.fault == agent.late


def test_before_anything_was_agreed_there_is_no_action_and_nothing_is_left_half_done():
    agents = agents_of(chain(3), exploration=False)
    with pytest.raises(ExchangeTimeout):
        acting(agents, 'copies', 1, DeadlineReached('out of time'))
    assert np.array_equal(acting(agents), acting(agents_of(chain(3), exploration=False)))


def test_after_a_late_step_all_agents_start_from_zero_together():
    """One alone would break the zero sum of the multipliers, and with it every value from then on."""
    agents = agents_of(chain(3), exploration=False)
    acting(agents, 'averages', 8, DeadlineReached('out of time'))
    fresh = acting(agents_of(chain(3), exploration=False))
    assert np.array_equal(acting(agents), fresh)


def test_the_last_plan_is_followed_for_the_declared_steps_and_then_the_safe_input():
    (agent,) = agents_of(chain(1), fallback_steps=4, exploration=False)
    run_lockstep([agent.act(0, np.array([0.3, 0.9]))])
    plan = agent.mpc.inputs(agent._policy.solution)
    found = [agent.fallback() for _ in range(7)]
    assert np.allclose(found[:4], plan[1:5]) and np.array_equal(found[4:], [[0.0]] * 3)


def held_run(steps, held):
    loop = ClosedLoop(chain(3), Settings(admm_iterations=10, exploration=False))
    thetas = []
    for step in loop.run(steps):
        loop.agents[1].held_back = 'learning is stopped' if step.step + 1 in held else ''
        thetas.append(([agent.mpc.theta for agent in loop.agents], step))
    return thetas


def test_where_one_agent_holds_learning_back_nobody_learns_and_afterwards_all_do():
    """`held` are the steps in which it is; the update of step k shows in the transition that ends there."""
    thetas = held_run(30, held=range(10, 20))
    frozen = thetas[9][0]
    for before in thetas[9:19]:
        assert all(np.array_equal(a, b) for a, b in zip(before[0], frozen, strict=True))
    assert all('learning is' in fault for fault in thetas[12][1].faults) and np.isnan(thetas[12][1].td_error)
    assert not any(np.array_equal(a, b) for a, b in zip(thetas[25][0], frozen, strict=True))


def alone(program, missing):
    """A protocol of an agent to whom what `missing` sends never comes; the driver knows and leaves it out."""
    request = next(program)
    try:
        while True:
            inbox = yield request._replace(expects={j: s for j, s in request.expects.items() if j != missing})
            request = program.send(inbox)
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize('warm_start', [True, False])
def test_without_a_lost_neighbour_the_others_agree_and_keep_its_last_prediction(warm_start):
    """Agent 0 of three is lost after a step. Agents 1 and 2 then solve the chain of both with x_0 as it was predicted:
    all residuals vanish, so that of the copy of x_0 does, too, which is still the held one."""
    agents = agents_of(chain(3), admm_iterations=400, exploration=False, warm_start=warm_start)
    acting(agents)
    place = agents[1].admm._copies[0]
    held = agents[1].admm._warm[0][place].copy()
    dead = _unheard(agents[0].act(1, -STATES[0]))
    others = [alone(agent.act(1, state), 0) for agent, state in zip(agents[1:], STATES[:0:-1], strict=True)]
    run_lockstep([dead, *others])
    assert np.array_equal(agents[1].admm._warm[0][place], held)
    for agent in agents[1:]:
        report = agent._policy.report
        assert max(report.primal_residual, report.dual_residual) < 1e-6 and not report.failure


def _unheard(program):
    """The rounds of an agent that is there for the driver only: nobody listens to it."""
    request = next(program)
    try:
        while True:
            inbox = yield request
            request = program.send(inbox)
    except StopIteration as end:
        return end.value
