# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The baselines of paper 001: nominal and scenario-based MPC, distributed and centralised."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from helpers import DIRECTED, Watch, action_of, agents_of, central_of, evaluate, split, value_of
from linear_reference import reference, scenario_reference

from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.closed_loop import ClosedLoop
from dmpcrl_ros.systems.linear.chain import chain, description
from dmpcrl_ros.systems.linear.description import from_description


def short(described, horizon=3):
    described = copy.deepcopy(described)
    described['mpc']['horizon'] = horizon
    return described


def uncertain_directed():
    """Unequal agents, two of them with uncertain models."""
    described = short(DIRECTED)
    for agent, lower, upper in (
        (
            0,
            {'A': [[-0.1, 0.0], [0.0, -0.05]], 'neighbours': {'heater': [[-0.05, 0, 0], [0, 0, 0]]}},
            {'A': [[0.05, 0.0], [0.1, 0.05]]},
        ),
        (1, {'B': [[-0.1, 0.0]]}, {'A': [[0.05]], 'neighbours': {'tank': [[0.05, 0.05]]}}),
    ):
        described['agents'][agent]['uncertainty'] = {'lower': lower, 'upper': upper}
    return from_description(described)


NETWORKS = {variant: from_description(short(description(3, variant))) for variant in ('mallick2024', 'mallick2025')} | {
    'alone': from_description(short(description(1))),
    'directed': uncertain_directed(),
}
SCENARIOS = {'method': 'scenario_mpc', 'scenarios': 3}
BASELINES = [{'method': 'nominal_mpc', 'coordination': 'admm'}, SCENARIOS]
METHODS_OF_BASELINES = [settings['method'] for settings in BASELINES]


def thetas_of(network, *, exact=False, count=3, seed=1):
    """For each scenario, the parameters of all agents."""
    own = [network.model_parameters(i, exact=exact) for i in range(network.n_agents)]
    deviations = [network.sample_deviations(i, exact=exact, count=count, seed=seed) for i in range(network.n_agents)]
    return [[theta + drawn[s] for theta, drawn in zip(own, deviations, strict=True)] for s in range(count)]


def undiscounted(network):
    return replace(network, structure=replace(network.structure, discount=1.0))


def random_state(network, seed):
    """Up to 0.2 outside the bounds."""
    low, high = (
        np.concatenate([np.clip(getattr(data, f'state_{side}'), -1.0, 1.0) for data in network.local])
        for side in ('lower', 'upper')
    )
    return np.random.default_rng(seed).uniform(low - 0.2, high + 0.2)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('model', ['inexact', 'exact'])
@pytest.mark.parametrize('name', NETWORKS)
def test_agents_and_the_central_controller_minimise_the_mean_of_the_scenarios(name, model, seed):
    network, state = NETWORKS[name], random_state(NETWORKS[name], seed)
    states = split(state, network.state_parts)
    value, inputs = scenario_reference(
        undiscounted(network), thetas_of(network, exact=model == 'exact', seed=seed), states
    )
    twin = central_of(network, model=model, seed=seed, **SCENARIOS)
    (expected,) = evaluate([twin], [state])
    assert twin.mpc.inputs(expected.solution) == pytest.approx(inputs, abs=1e-6)  # the solver's curvature of slack
    assert expected.value == pytest.approx(value, rel=1e-7)
    agents = agents_of(network, model=model, seed=seed, admm__iterations=3000, **SCENARIOS)
    found = evaluate(agents, states)
    assert action_of(agents, found) == pytest.approx(inputs[0], abs=1e-5)
    assert value_of(found) == pytest.approx(value, rel=1e-6)
    assert max(evaluation.report.primal_residual for evaluation in found) < 1e-4


def test_one_scenario_of_one_agent_is_no_exception():
    network, state = NETWORKS['alone'], random_state(NETWORKS['alone'], 5)
    settings = {'method': 'scenario_mpc', 'scenarios': 1}
    agents, twin = agents_of(network, admm__iterations=3000, **settings), central_of(network, **settings)
    expected = action_of([twin], evaluate([twin], [state]))
    assert action_of(agents, evaluate(agents, [state])) == pytest.approx(expected, abs=1e-6)


def test_with_an_action_given_it_is_the_first_input_of_all_scenarios():
    network, state = NETWORKS['mallick2024'], random_state(NETWORKS['mallick2024'], 4)
    twin, agents = central_of(network, **SCENARIOS), agents_of(network, admm__iterations=3000, **SCENARIOS)
    action = np.array([0.3, -0.2, 0.8])
    (expected,) = evaluate([twin], [state], [action])
    found = evaluate(agents, split(state, network.state_parts), split(action, network.input_parts))
    assert twin.mpc.action(expected.solution) == pytest.approx(action) == action_of(agents, found)
    assert value_of(found) == pytest.approx(expected.value, rel=1e-6)
    assert expected.value > evaluate([twin], [state])[0].value


def without_noise(variant='mallick2024', **mpc):
    described = description(3, variant)
    described['mpc'] = described['mpc'] | mpc
    for agent in described['agents']:
        del agent['noise']
    return from_description(described)


@pytest.mark.parametrize('variant', ['mallick2024', 'mallick2025'])
def test_one_scenario_of_the_exact_model_without_disturbance_is_undiscounted_nominal_mpc(variant):
    network, one = without_noise(variant, horizon=5), {'method': 'scenario_mpc', 'scenarios': 1, 'model': 'exact'}
    plain = without_noise(variant, horizon=5, discount=1.0)
    for seed in range(3):
        state = random_state(network, seed)
        states = split(state, network.state_parts)
        nominal = [central_of(plain, method='nominal_mpc', model='exact')]
        expected = evaluate(nominal, [state])
        agents, twin = agents_of(network, admm__iterations=3000, **one), central_of(network, **one)
        found, central = evaluate(agents, states), evaluate([twin], [state])
        for controllers, evaluations in ((agents, found), ([twin], central)):
            assert action_of(controllers, evaluations) == pytest.approx(action_of(nominal, expected), abs=1e-6)
            assert value_of(evaluations) == pytest.approx(value_of(expected), rel=1e-7)


@pytest.mark.parametrize('model', ['inexact', 'exact'])
@pytest.mark.parametrize('central', [False, True])
def test_nominal_mpc_is_the_learning_agents_with_the_model_and_no_offsets(model, central):
    network = chain(3)
    nominal = ClosedLoop(network, Settings(method='nominal_mpc', model=model), central=central)
    learning = ClosedLoop(network, Settings(learn=False), central=central)
    thetas = [network.model_parameters(i, exact=model == 'exact') for i in range(3)]
    for agent, theta in zip(learning.agents, [np.concatenate(thetas)] if central else thetas, strict=True):
        agent.mpc.theta = theta
    for one, other in zip(nominal.run(10), learning.run(10), strict=True):
        assert np.array_equal(one.actions, other.actions)
        assert one.metrics['td_error'] == other.metrics['td_error'] or np.isnan(one.metrics['td_error'])


def test_nominal_mpc_solves_the_dense_programme():
    network = NETWORKS['mallick2024']
    thetas = [network.model_parameters(i, exact=True) for i in range(3)]
    states = split(random_state(network, 3), network.state_parts)
    agents = agents_of(network, method='nominal_mpc', model='exact', admm__iterations=300)
    expected = reference(network, thetas, states)
    assert action_of(agents, evaluate(agents, states)) == pytest.approx(expected.inputs[0], abs=1e-8)


@pytest.mark.parametrize('settings', BASELINES, ids=METHODS_OF_BASELINES)
@pytest.mark.parametrize('central', [False, True])
def test_nothing_is_learned_also_where_learning_is_on(settings, central):
    settings = Settings(learn=True, admm__iterations=20, **settings)
    loop = ClosedLoop(chain(3), settings, central=central)
    before = [agent.mpc.theta.copy() for agent in loop.agents]
    steps = list(loop.run(6))
    assert not any(step.metrics['explored'] for step in steps)
    for agent, theta in zip(loop.agents, before, strict=True):
        assert agent.learner is None and agent.updates == 0 and np.array_equal(agent.mpc.theta, theta)


@pytest.mark.parametrize('central', [False, True])
@pytest.mark.parametrize('seed', [1, 3])
def test_twenty_five_scenarios_keep_the_chain_within_its_bounds(central, seed):
    """In these runs the solver forgets, some times, to bring a soft row back to its bound: it must not become a fault.
    The nominal controller lets the first states fall below their bounds most of the time."""
    steps = list(ClosedLoop(chain(3), Settings(method='scenario_mpc', seed=seed), central=central).run(30))
    assert not any(any(step.faults) for step in steps)
    assert all(np.abs(step.actions).max() <= 1.0 for step in steps)
    nominal = list(ClosedLoop(chain(3), Settings(method='nominal_mpc', seed=seed)).run(30))
    assert sum(step.costs.sum() for step in steps) < 0.1 * sum(step.costs.sum() for step in nominal)


@pytest.mark.parametrize('central', [False, True])
def test_a_seed_decides_the_scenarios_for_the_whole_run(central):
    network, state = chain(3), np.array([0.1, 0.2] * 3)

    def first(seed, runs=1):
        settings = Settings(method='scenario_mpc', scenarios=5, seed=seed, admm__warm_start=False)
        loop = ClosedLoop(network, settings, central)
        states = [state] if central else split(state, network.state_parts)
        for _ in range(runs):
            for agent in loop.agents:
                agent.reset()
            found = action_of(loop.agents, evaluate(loop.agents, states))
        return found

    assert np.array_equal(first(1), first(1)) and np.array_equal(first(1, runs=2), first(1))
    assert np.abs(first(2) - first(1)).max() > 1e-4


@pytest.mark.parametrize('settings', BASELINES, ids=METHODS_OF_BASELINES)
def test_when_one_agent_fails_all_say_so_and_its_last_plan_goes_on(settings):
    watch = Watch()
    loop = ClosedLoop(chain(3), Settings(admm__iterations=20, **settings), drive=watch)
    mpc, steps = loop.agents[1].mpc, []
    solve = mpc.solve

    def broken(linear):
        if watch.step == 3:
            raise QpFailure('the sky fell')
        return solve(linear)

    mpc.solve = broken
    for step in loop.run(8):
        steps.append(step)
        if watch.step == 2:
            plan = mpc.inputs(mpc.solution())
    assert [step.step for step in steps if any(step.faults)] == [2, 3]
    assert 'the sky fell' in steps[2].faults[1]
    assert 'only 2 of 3 agents' in steps[2].faults[0] and 'only 2 of 3 agents' in steps[2].faults[2]
    assert steps[3].actions[1] == pytest.approx(plan[1].item())


@pytest.mark.parametrize('central', [False, True])
def test_a_state_that_is_no_number_is_a_fault_and_not_the_end(central):
    agents = [central_of(chain(3), **SCENARIOS)] if central else agents_of(chain(1), admm__iterations=5, **SCENARIOS)
    program = agents[0].evaluate(np.full(6 if central else 2, np.nan))
    try:
        while True:
            program.send(None)
            program.send({})
    except StopIteration as end:
        assert 'not finite' in end.value.failure


def test_scenario_mpc_of_the_grid_is_near_the_centralised_one_with_the_published_iterations():
    """First inputs over eight steps; the input bounds are 0.1 to 0.3. With forty times the penalty they are 0.1 off."""
    settings = Settings(system='power_grid', method='scenario_mpc', model='exact', scenarios=5)
    system = settings.make_system()
    distributed, central = (
        np.array([step.actions for step in ClosedLoop(system, settings, twin).run(8)]) for twin in (False, True)
    )
    assert np.abs(distributed - central).max() < 5e-3
