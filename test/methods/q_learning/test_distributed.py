# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The agents together are the centralised controller: actions, values, gradients, multipliers, updates."""

import numpy as np
import pytest
from helpers import (
    CHAINS,
    action_of,
    agents_of,
    central_of,
    directed_network,
    evaluate,
    gradient_of,
    initial_thetas,
    perturbed,
    relative,
    split,
    value_of,
)
from linear_reference import reference

from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.linear.chain import chain

NETWORKS = CHAINS | {'chain of 5': chain(5), 'directed': directed_network()}


def both(network, state, action=None, thetas=None, **settings):
    """Agents and the centralised twin, with their evaluations."""
    agents, twin = agents_of(network, thetas, **settings), central_of(network, thetas)
    actions = None if action is None else split(action, network.input_parts)
    return (
        agents,
        evaluate(agents, split(state, network.state_parts), actions),
        [twin],
        evaluate([twin], [state], None if action is None else [action]),
    )


def nominal_states(network):
    """States of the closed loop with the first controllers, the initial state among them."""
    loop = ClosedLoop(network, Settings(learn=False), central=True)
    return [step.states for step in loop.run(13)][::3]


@pytest.mark.parametrize('variant', CHAINS)
def test_fifty_iterations_are_enough_in_the_published_setting(variant):
    """With the published rho, the first parameters and cold starts: at states of the nominal closed loop, which
    stays near the lower bound of the first state, and for actions near the policy's. Elsewhere fifty iterations are
    less exact: well inside the bounds gradients are wrong by up to 1e-3, and more where actions force states out."""
    network = CHAINS[variant]
    draw = np.random.default_rng(2)
    for state in nominal_states(network):
        agents, found, twin, expected = both(network, state, admm__iterations=50)
        assert np.abs(action_of(agents, found) - action_of(twin, expected)).max() < 1e-5
        assert value_of(found) == pytest.approx(value_of(expected), rel=1e-8)
        assert np.abs(gradient_of(agents, found) - gradient_of(twin, expected)).max() < 1e-4
        action = np.clip(action_of(twin, expected) + draw.normal(0.0, 0.1, 3), -1.0, 1.0)
        agents, found, twin, expected = both(network, state, action, admm__iterations=50)
        assert value_of(found) == pytest.approx(value_of(expected), rel=1e-8)
        assert relative(gradient_of(agents, found), gradient_of(twin, expected)) < 1e-4


def random_case(network, seed, beyond=0.2):
    """States up to `beyond` outside their bounds, parameters moved by half a per cent, and any action."""
    draw = np.random.default_rng(seed)
    low, high = (
        np.concatenate([np.clip(getattr(data, f'state_{side}'), -1.0, 1.0) for data in network.local])
        for side in ('lower', 'upper')
    )
    action = np.concatenate([draw.uniform(data.input_lower, data.input_upper) for data in network.local])
    return (perturbed(initial_thetas(network), draw, 0.005), draw.uniform(low - beyond, high + beyond), action)


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('function', ['V', 'Q'])
@pytest.mark.parametrize('name', NETWORKS)
def test_two_hundred_iterations_give_the_centralised_controller(name, function, seed):
    network = NETWORKS[name]
    thetas, state, action = random_case(network, seed)
    agents, found, twin, expected = both(
        network, state, action if function == 'Q' else None, thetas, admm__iterations=200
    )
    assert np.abs(action_of(agents, found) - action_of(twin, expected)).max() < 1e-8
    assert value_of(found) == pytest.approx(value_of(expected), rel=1e-8)
    assert relative(gradient_of(agents, found), gradient_of(twin, expected)) < 1e-8


@pytest.mark.parametrize('name', NETWORKS)
def test_the_agents_together_solve_the_dense_programme(name):
    network = NETWORKS[name]
    thetas, state, action = random_case(network, 20)
    states = split(state, network.state_parts)
    for actions in (None, split(action, network.input_parts)):
        agents = agents_of(network, thetas, admm__iterations=200)
        found, expected = evaluate(agents, states, actions), reference(network, thetas, states, actions)
        assert value_of(found) == pytest.approx(expected.value, rel=1e-8)
        assert action_of(agents, found) == pytest.approx(expected.inputs[0], abs=1e-8)


def test_the_warm_solver_does_not_lead_admm_astray():
    """In this case, at the 19th iteration, a multiplier returns from the end of its box at one agent, and the solver
    keeps the slack's curvature in its factorisation: from then on that state stays 8e-8 off its bound, a residual
    that passes for small, and ADMM agrees on a point with multipliers that are wrong by 2e-5."""
    network, draw = CHAINS['mallick2024'], np.random.default_rng(7)
    for _ in range(12):
        thetas = perturbed(initial_thetas(network), draw, 0.02)
        states = [draw.uniform([-0.2, -1.2], [1.2, 1.2]) for _ in range(3)]
        actions = [draw.uniform(-1.0, 1.0, 1) for _ in range(3)]
    expected = reference(network, thetas, states, actions)
    found = evaluate(agents_of(network, thetas, admm__iterations=1000), states, actions)
    assert value_of(found) == pytest.approx(expected.value, rel=1e-10)
    lower = np.concatenate([evaluation.solution.dual_soft_lower for evaluation in found])
    assert lower == pytest.approx(np.concatenate([part.ravel() for part in expected.lower]), abs=1e-6)


def test_the_first_state_of_the_system_is_no_exception():
    """It lies on a bound that 000 imposes from the first stage on: no agent may count it as violated."""
    network = CHAINS['mallick2025']
    draw = np.random.default_rng(3)
    for _ in range(10):
        action = draw.uniform(-1.0, 1.0, 3)
        agents, found, twin, expected = both(network, network.initial_state, action, admm__iterations=200)
        assert relative(gradient_of(agents, found), gradient_of(twin, expected)) < 1e-8


@pytest.mark.parametrize('variant', CHAINS)
@pytest.mark.parametrize('averaging', ['finite-time', 'fixed', 'metropolis'])
def test_every_agent_knows_the_value_of_the_network(variant, averaging):
    network = CHAINS[variant]
    settings = Settings(coordination='admm', admm__iterations=200, learn=False, consensus__averaging=averaging)
    agents, central = ClosedLoop(network, settings), ClosedLoop(network, settings, central=True)
    for loop in (agents, central):
        loop.plant.state = np.array([0.3, 0.2, 0.1, -0.2, 0.2, 0.1])
    distributed, single = (list(loop.run(4)) for loop in (agents, central))
    for one, other in zip(distributed, single, strict=True):
        assert one.actions == pytest.approx(other.actions, abs=1e-8)
        assert one.metrics['td_error'] == pytest.approx(other.metrics['td_error'], abs=1e-7)


# Dual recovery (001, proposition 2). The multipliers are unique where the gradients of the active constraints are
# independent; it is checked that they are recovered, not only that something converges.
@pytest.mark.parametrize(
    'name, state',
    [
        ('mallick2024', [0.3, 0.2, 0.6, -0.3, 0.1, 0.5]),
        ('mallick2024', [0.05, 0.2, 0.9, 0.4, -0.1, 0.2]),
        ('mallick2025', [0.3, 0.2, 0.6, -0.3, 0.1, 0.5]),
        ('mallick2025', [0.05, 0.2, 0.9, 0.4, -0.1, 0.2]),
        ('directed', [0.3, 0.2, 0.4, 0.1, -0.2, 0.1]),
    ],
)
def test_local_multipliers_approach_the_centralised_ones_geometrically(name, state):
    network = NETWORKS[name]
    thetas = perturbed(initial_thetas(network), np.random.default_rng(4), 0.01)
    states = split(np.array(state), network.state_parts)
    twin = central_of(network, thetas)
    (expected,) = evaluate([twin], [np.array(state)])
    agents, seen = agents_of(network, thetas, admm__iterations=200), [[] for _ in states]
    for agent, own in zip(agents, states, strict=True):
        agent.mpc.begin(own)
    run_lockstep(
        [
            agent.admm.run(agent.mpc.solve, lambda k, a=agent, s=seen[i]: s.append(a.mpc.solution()))
            for i, agent in enumerate(agents)
        ]
    )
    counts = np.arange(1, 201)
    errors = np.array(
        [
            sum(
                np.abs(
                    np.concatenate([getattr(solution, field) for solution in found]) - getattr(expected.solution, field)
                ).sum()
                for field in ('dual_equality', 'dual_soft_lower', 'dual_soft_upper')
            )
            for found in zip(*seen, strict=True)
        ]
    )
    assert errors[0] > 1e-2 and errors[-1] < 1e-9
    falling = np.arange(len(errors)) < np.argmax(errors < 1e-9)
    rate = np.exp(np.polyfit(counts[falling], np.log(errors[falling]), 1)[0])
    assert rate < 0.95
    windows = [window.max() for window in np.array_split(errors[falling], max(2, falling.sum() // 15))]
    assert all(later < earlier for earlier, later in zip(windows, windows[1:], strict=False))


class Somebody:
    """Stands in for exploration: it is known to all that in every step an agent explores."""

    agent = 0

    def coins(self, step):
        return np.array([False] + [True] * 4)

    def direction(self, step):
        raise AssertionError('agent 0 does not explore')


def push(agent, by):
    """Let an agent add `by` (steps, n_u) to the first input of each of its plans."""
    inputs, pushes = agent.mpc.inputs, iter(by)

    def pushed(solution):
        plan = inputs(solution).copy()
        plan[0] = plan[0] + next(pushes)
        return plan

    agent.mpc.inputs, agent.exploration = pushed, Somebody()


@pytest.mark.parametrize('off_policy', [False, True], ids=['on the policy', 'off the policy'])
@pytest.mark.parametrize('name', ['mallick2024', 'mallick2025', 'directed'])
def test_stacked_local_updates_are_the_central_update_on_the_same_transitions(name, off_policy):
    """001: no non-stationarity. Both are given the same states and noise, and, as they do the same, the same actions:
    after several updates their parameters are the same."""
    network = NETWORKS[name]
    settings = Settings(
        coordination='admm',
        admm__iterations=200,
        admm__warm_start=False,
        learning__order='first',
        learning__exploration=False,
        learning__rate=1e-5,
    )
    distributed, central = (ClosedLoop(network, settings, central=twin) for twin in (False, True))
    pushes = np.random.default_rng(5).normal(0.0, 0.2, (20, network.b.shape[1]))
    start = network.initial_state + 0.1
    for loop in (distributed, central):
        loop.plant.state = start.copy()
    if off_policy:
        push(central.agents[0], pushes)
        for agent, part in zip(distributed.agents, network.input_parts, strict=True):
            push(agent, pushes[:, part])
    before = np.concatenate([agent.mpc.theta for agent in distributed.agents])
    for one, other in zip(distributed.run(8), central.run(8), strict=True):
        assert one.states == pytest.approx(other.states, abs=1e-9)
        assert one.actions == pytest.approx(other.actions, abs=1e-9)
        assert one.metrics['td_error'] == pytest.approx(other.metrics['td_error'], rel=1e-8, abs=1e-8)
    assert central.agents[0].updates == distributed.agents[0].updates >= 4
    moved = np.concatenate([agent.mpc.theta for agent in distributed.agents]) - before
    expected = central.agents[0].mpc.theta - before
    assert np.abs(expected).max() > 1e-6
    assert np.abs(moved - expected).max() < 1e-8 * max(1.0, np.abs(expected).max() / 1e-4)
