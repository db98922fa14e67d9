# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Consensus ADMM on the chain and on a directed network of unequal agents."""

import numpy as np
import pytest
from helpers import CHAINS, agents_of, directed_network, evaluate, split

from dmpcrl_ros.core.averaging import finite_time
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import path_graph
from dmpcrl_ros.mpc.admm import Admm, AdmmOptions
from dmpcrl_ros.mpc.solver import QpFailure
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.linear.chain import chain

NETWORKS = CHAINS | {'chain of 5': chain(5), 'directed': directed_network()}
each_network = pytest.mark.parametrize('network', NETWORKS.values(), ids=NETWORKS.keys())


def states_of(network, seed=1):
    draw = np.random.default_rng(seed)
    return split(network.initial_state + draw.uniform(-0.1, 0.3, network.a.shape[0]), network.state_parts)


def opinions(network, agents, values):
    """Opinions of all agents on each trajectory, one list for each; in the vector of an agent its own part is first."""
    found = {i: [] for i in range(network.n_agents)}
    for i, (agent, value) in enumerate(zip(agents, values, strict=True)):
        sizes = [network.local[j].n_states * (network.structure.horizon + 1) for j in (i, *network.graph.parents[i])]
        assert sum(sizes) == agent.admm.size == value.size
        for j, part in zip((i, *network.graph.parents[i]), np.split(value, np.cumsum(sizes)[:-1]), strict=True):
            found[j].append(part)
    return found


class Recording:
    """A local update of an agent that keeps its linear terms and its answers."""

    def __init__(self, mpc):
        self.mpc, self.asked, self.answered = mpc, [], []

    def __call__(self, linear):
        self.asked.append(linear.copy())
        self.answered.append(self.mpc.solve(linear).copy())
        return self.answered[-1]


def record(network, states, **settings):
    agents = agents_of(network, **settings)
    for agent, state in zip(agents, states, strict=True):
        agent.mpc.begin(state)
    solves = [Recording(agent.mpc) for agent in agents]
    reports, rounds = run_lockstep([agent.admm.run(solve) for agent, solve in zip(agents, solves, strict=True)])
    return agents, solves, reports, rounds


@each_network
def test_the_iteration_is_that_of_the_paper(network):
    """z is the mean of all opinions on a trajectory, y <- y + rho (x - z), both zero at first; a local problem is
    given the linear term y - rho z. Recomputed here with all opinions in one place."""
    rho = 0.7
    agents, solves, _, rounds = record(network, states_of(network), admm__rho=rho, admm__iterations=8)
    assert rounds == 16  # copies out and averages back
    z = y = [np.zeros(agent.admm.size) for agent in agents]
    for k in range(8):
        for i, solve in enumerate(solves):
            assert solve.asked[k] == pytest.approx(y[i] - rho * z[i], abs=1e-12)
        x = [solve.answered[k] for solve in solves]
        means = {j: np.mean(parts, axis=0) for j, parts in opinions(network, agents, x).items()}
        z = [np.concatenate([means[j] for j in (i, *network.graph.parents[i])]) for i in range(network.n_agents)]
        y = [y[i] + rho * (x[i] - z[i]) for i in range(network.n_agents)]
    for agent, expected in zip(agents, y, strict=True):
        assert agent.admm.multipliers == pytest.approx(expected, abs=1e-11)


@each_network
def test_multipliers_of_all_opinions_on_a_trajectory_cancel_in_every_iteration(network):
    """y(k) is the linear term of iteration k + 1 plus rho times z(k), the mean of the answers of iteration k."""
    agents, solves, _, _ = record(network, states_of(network), admm__rho=0.5, admm__iterations=60)
    for k in range(59):
        means = {
            j: np.mean(parts, axis=0)
            for j, parts in opinions(network, agents, [solve.answered[k] for solve in solves]).items()
        }
        asked = opinions(network, agents, [solve.asked[k + 1] for solve in solves])
        multipliers = {j: [part + 0.5 * means[j] for part in parts] for j, parts in asked.items()}
        assert k >= 10 or max(np.abs(parts).max() for parts in multipliers.values()) > 1e-4
        for parts in multipliers.values():
            assert np.abs(np.sum(parts, axis=0)).max() <= 1e-12
    for parts in opinions(network, agents, [agent.admm.multipliers for agent in agents]).values():
        assert np.abs(np.sum(parts, axis=0)).max() <= 1e-12


@each_network
def test_the_agreement_is_a_fixed_point(network):
    """Another run that begins where a long one ended does not move: all opinions agree, and continue to do so."""
    agents = agents_of(network, admm__iterations=600, admm__warm_start=True)
    states = states_of(network)
    evaluate(agents, states)
    before = [agent.admm.multipliers.copy() for agent in agents]
    for agent, state in zip(agents, states, strict=True):
        agent.mpc.begin(state)
    solves = [Recording(agent.mpc) for agent in agents]
    reports, _ = run_lockstep([agent.admm.run(solve) for agent, solve in zip(agents, solves, strict=True)])
    for parts in opinions(network, agents, [solve.answered[0] for solve in solves]).values():
        assert np.ptp(parts, axis=0).max() < 1e-9
    for agent, solve, multipliers, report in zip(agents, solves, before, reports, strict=True):
        assert solve.answered[-1] == pytest.approx(solve.answered[0], abs=1e-9)
        assert agent.admm.multipliers == pytest.approx(multipliers, abs=1e-8)
        assert max(report.primal_residual, report.dual_residual) < 1e-9


@each_network
def test_residuals_are_those_of_the_last_iteration(network):
    rho = 0.7
    agents, solves, reports, _ = record(network, states_of(network), admm__rho=rho, admm__iterations=5)
    means = [
        {
            j: np.mean(parts, axis=0)
            for j, parts in opinions(network, agents, [solve.answered[k] for solve in solves]).items()
        }
        for k in (3, 4)
    ]
    for i, (solve, report) in enumerate(zip(solves, reports, strict=True)):
        before, after = (np.concatenate([mean[j] for j in (i, *network.graph.parents[i])]) for mean in means)
        assert report.iterations == 5
        assert report.primal_residual == pytest.approx(np.abs(solve.answered[-1] - after).max(), abs=1e-13)
        assert report.dual_residual == pytest.approx(rho * np.abs(after - before).max(), abs=1e-13)


@each_network
@pytest.mark.parametrize('tolerance', [1e-2, 1e-4])
def test_all_agents_stop_in_the_same_iteration_as_soon_as_all_residuals_allow(network, tolerance):
    states = states_of(network)
    found = evaluate(agents_of(network, admm__iterations=500, admm__tolerance=tolerance), states)
    (iterations,) = {evaluation.report.iterations for evaluation in found}
    assert iterations < 500

    def worst(reports):
        return max(max(report.primal_residual, report.dual_residual) for report in reports)

    def after(number):
        return worst([e.report for e in evaluate(agents_of(network, admm__iterations=number), states)])

    assert worst([evaluation.report for evaluation in found]) <= tolerance
    assert after(iterations) <= tolerance
    looks = range(5, iterations, 5)
    assert iterations % 5 == 0 and all(after(number) > tolerance for number in looks)


def test_without_agreement_all_iterations_are_run():
    network = NETWORKS['mallick2024']
    found = evaluate(agents_of(network, admm__iterations=17, admm__tolerance=1e-15), states_of(network))
    assert {evaluation.report.iterations for evaluation in found} == {17}


def test_a_warm_start_needs_fewer_iterations_and_finds_the_same():
    network = NETWORKS['mallick2024']
    states, next_states = states_of(network), [state + 0.01 for state in states_of(network)]
    settings = {'coordination': 'admm', 'admm__iterations': 500, 'admm__tolerance': 1e-9}
    warm, cold = agents_of(network, admm__warm_start=True, **settings), agents_of(network, **settings)
    for agents in (warm, cold):
        evaluate(agents, states)
    quick, slow = evaluate(warm, next_states), evaluate(cold, next_states)
    assert quick[0].report.iterations < slow[0].report.iterations
    for one, other in zip(quick, slow, strict=True):
        assert one.solution.primal == pytest.approx(other.solution.primal, abs=1e-6)


def test_all_agents_start_cold_when_one_has_lost_its_state():
    """As when a node was restarted: multipliers of some agents only would never cancel again."""
    network = NETWORKS['mallick2024']
    states, next_states = states_of(network), [state + 0.01 for state in states_of(network)]
    agents, cold = (agents_of(network, admm__warm_start=True, admm__iterations=20) for _ in range(2))
    evaluate(agents, states)
    agents[1] = agents_of(network, admm__warm_start=True, admm__iterations=20)[1]
    found, expected = evaluate(agents, next_states), evaluate(cold, next_states)
    for agent, other, one, two in zip(agents, cold, found, expected, strict=True):
        assert np.array_equal(agent.admm.multipliers, other.admm.multipliers)
        assert one.value == pytest.approx(two.value, rel=1e-9)
    again = evaluate(agents, next_states)  # and the run after that is warm for all
    assert again[0].report.primal_residual < 0.1 * found[0].report.primal_residual


@pytest.mark.parametrize('failing', [0, 1, 2])
def test_a_failing_local_problem_keeps_the_rounds_going_and_is_reported(failing):
    network = NETWORKS['mallick2024']
    agents, states = agents_of(network, admm__iterations=10), states_of(network)
    for agent, state in zip(agents, states, strict=True):
        agent.mpc.begin(state)

    def solve(i):
        calls = 0

        def local(linear):
            nonlocal calls
            calls += 1
            if i == failing and calls in (4, 5):
                raise QpFailure('the sky fell')
            return agents[i].mpc.solve(linear)

        return local

    reports, rounds = run_lockstep([agent.admm.run(solve(i)) for i, agent in enumerate(agents)])
    assert rounds == 20 and [report.iterations for report in reports] == [10] * 3
    for i, report in enumerate(reports):
        assert report.failure == ('ADMM iteration 4: the sky fell' if i == failing else '')


def test_a_failed_run_leaves_nothing_to_start_from():
    network = NETWORKS['mallick2024']
    agents, cold = (agents_of(network, admm__iterations=10, admm__warm_start=True) for _ in range(2))
    states = states_of(network)
    evaluate(agents, states)
    lost = [np.full(2, np.nan), *states[1:]]
    run_lockstep([agent.evaluate(state) for agent, state in zip(agents, lost, strict=True)])
    evaluate(agents, states)
    evaluate(cold, states)
    assert all(np.array_equal(a.admm.multipliers, c.admm.multipliers) for a, c in zip(agents, cold, strict=True))


@each_network
def test_an_agent_is_told_nothing_but_by_its_neighbours(network):
    """No message passes between agents that share no edge."""
    edges = network.graph.adjacency
    programs = [
        agent.evaluate(state)
        for agent, state in zip(agents_of(network, admm__iterations=2), states_of(network), strict=True)
    ]

    def watched(i, program):
        inbox = None
        while True:
            try:
                request = program.send(inbox)
            except StopIteration as end:
                return end.value
            assert all(edges[i, j] for j in (*request.outbox, *request.expects))
            inbox = yield request

    run_lockstep([watched(i, program) for i, program in enumerate(programs)])


def quadratic(targets, weights, rho):
    """Local update of versions of two variables, each nearest to its own target."""

    def solve(linear):
        weight = np.repeat(weights, 2)
        return (weight * targets.ravel() - linear) / (weight + rho)

    return solve


@pytest.mark.parametrize('tolerance', [0.0, 1e-8])
def test_versions_of_an_agents_own_variables_agree_without_a_message(tolerance):
    """Three versions of (a, b), the cost of each weighted: all end at the weighted mean of what they would have, and
    the residuals by which ADMM stops know of them."""
    alone, rho = path_graph(1), 2.0
    targets, weights = np.array([[1.0, -1.0], [2.0, 0.0], [6.0, 4.0]]), np.array([1.0, 2.0, 1.0])
    admm = Admm(
        0,
        alone,
        {0: (0, 0)},
        AdmmOptions(rho=rho, iterations=200, tolerance=tolerance),
        Consensus(0, alone, finite_time(alone)),
        repeated=(3, 2),
    )
    answers, solve = [], quadratic(targets, weights, rho)

    def recorded(linear):
        answers.append(solve(linear))
        return answers[-1]

    (report,), _ = run_lockstep([admm.run(recorded)])
    assert answers[-1].reshape(3, 2) == pytest.approx(np.tile(weights @ targets / 4.0, (3, 1)), abs=1e-7)
    assert report.iterations == len(answers) and (len(answers) < 200) == bool(tolerance)
    assert admm.multipliers.reshape(3, 2).sum(axis=0) == pytest.approx(0.0, abs=1e-12)
