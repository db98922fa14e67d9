# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Coordination by reactions, against the problem of the whole network solved at once by another solver."""

from dataclasses import replace

import numpy as np
import pytest
from coordinated import CONFIG, Central, Coordinated, check, loads_of
from helpers import CHAINS, directed_network, initial_thetas, perturbed, ring, split

from dmpcrl_ros.core.spanning_tree import FAILED
from dmpcrl_ros.mpc.qp import SoftBoundedQp
from dmpcrl_ros.mpc.reactions import ReactingEvaluation, Reaction
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.lockstep import run_lockstep
from dmpcrl_ros.systems.files import load_system
from dmpcrl_ros.systems.linear.chain import chain
from dmpcrl_ros.systems.linear.description import from_description
from dmpcrl_ros.testing.hard_states import coupled_thetas, hard_states


def star(points=4, coupling=0.2):
    """A hub whose input does nothing; the points around it use its state, and it uses theirs."""
    hub = {
        'name': 'hub',
        'initial_state': [0.5],
        'dynamics': {'A': [[0.9]], 'B': [[0.0]], 'neighbours': {f'point_{k}': [[coupling]] for k in range(points)}},
        'noise': {'lower': [0.0], 'upper': [0.0]},
        'bounds': {'state': {'lower': [-0.2], 'upper': [0.3]}, 'input': {'lower': [-1.0], 'upper': [1.0]}},
        'cost': {'state': [1.0], 'input': [1.0], 'violation': [10.0]},
    }
    around = [
        {
            'name': f'point_{k}',
            'initial_state': [0.1 * k],
            'dynamics': {'A': [[1.1]], 'B': [[0.5]], 'neighbours': {'hub': [[0.1]]}},
            'noise': {'lower': [0.0], 'upper': [0.0]},
            'bounds': {'state': {'lower': [-0.1], 'upper': [0.4]}, 'input': {'lower': [-0.3], 'upper': [0.3]}},
            'cost': {'state': [0.5], 'input': [0.2], 'violation': [2.0]},
        }
        for k in range(points)
    ]
    return from_description({'name': 'star', 'mpc': {'horizon': 6, 'discount': 0.9}, 'agents': [hub, *around]})


def triangle():
    """The trajectory of `far` passes through `middle`, which does not depend on it, to the one that uses it."""

    def agent(name, neighbours, bound):
        return {
            'name': name,
            'initial_state': [0.4],
            'dynamics': {'A': [[0.9]], 'B': [[0.5]], 'neighbours': neighbours},
            'noise': {'lower': [0.0], 'upper': [0.0]},
            'bounds': {'state': {'lower': [-0.5], 'upper': [0.6]}, 'input': {'lower': [-bound], 'upper': [bound]}},
            'cost': {'state': [1.0], 'input': [0.3], 'violation': [5.0]},
        }

    agents = [
        agent('middle', {}, 1.0),
        agent('far', {'middle': [[0.0]]}, 0.2),
        agent('near', {'middle': [[0.0]], 'far': [[0.4]]}, 1.0),
    ]
    return from_description({'name': 'triangle', 'mpc': {'horizon': 5, 'discount': 0.9}, 'agents': agents})


NETWORKS = CHAINS | {
    'chain of 6': chain(6),
    'directed': directed_network(),
    'power grid': Settings(system='power_grid').make_system(),
    'grid on a ring': load_system(CONFIG / 'ring_grid.yaml'),
    'carts': load_system(CONFIG / 'three_carts.yaml'),
    'star with an idle hub': star(),
    'ring': ring(),
    'triangle': triangle(),
    'one agent': chain(1),
}
each_network = pytest.mark.parametrize('network', NETWORKS.values(), ids=NETWORKS.keys())


@each_network
def test_value_inputs_and_gradient_are_those_of_the_whole_network(network):
    draw = np.random.default_rng(1)
    thetas = perturbed(initial_thetas(network), draw, 0.01)
    coordinated, central = Coordinated(network, thetas), Central(network, thetas)
    for _ in range(4):
        start = network.initial_state + draw.uniform(-0.1, 0.2, network.initial_state.size)
        states, loads = split(start, network.state_parts), loads_of(network, draw)
        outcomes = coordinated.evaluate(states, exogenous=loads)
        assert check(network, coordinated, outcomes, central.evaluate(states, exogenous=loads))


@each_network
def test_no_answer_to_a_hard_state_is_silently_wrong_and_most_are_certified(network):
    """Cold, from states far beyond the bounds, V and Q(s, a) of an action that is not the best one."""
    draw, settled, n = np.random.default_rng(2), 0, 12
    thetas = coupled_thetas(network)
    coordinated, central = Coordinated(network, thetas), Central(network, thetas)
    for states in hard_states(network, n, 5):
        loads = loads_of(network, draw)
        for method in coordinated.methods:
            method.reset()
        outcomes = coordinated.evaluate(states, exogenous=loads)
        expected = central.evaluate(states, exogenous=loads)
        settled += check(network, coordinated, outcomes, expected)
        lower, upper = network.stacked('input_lower'), network.stacked('input_upper')
        action = np.clip(expected[0] + 0.3 * draw.standard_normal(len(lower)), lower, upper)
        actions = split(action, network.input_parts)
        outcomes = coordinated.evaluate(states, actions, loads)
        settled += check(network, coordinated, outcomes, central.evaluate(states, actions, loads), action_given=True)
    assert settled >= 0.95 * 2 * n, settled


@each_network
def test_prices_are_right_where_they_are_certified(network):
    """From cold and from the last ones, V and Q(s, a); they certify wherever the coupling is weak enough."""
    draw, settled, n = np.random.default_rng(6), 0, 4
    thetas = coupled_thetas(network)
    coordinated, central = Coordinated(network, thetas, method='prices'), Central(network, thetas)
    for _ in range(n):
        start = network.initial_state + draw.uniform(-0.1, 0.2, network.initial_state.size)
        states, loads = split(start, network.state_parts), loads_of(network, draw)
        expected = central.evaluate(states, exogenous=loads)
        settled += check(network, coordinated, coordinated.evaluate(states, exogenous=loads), expected)
        lower, upper = network.stacked('input_lower'), network.stacked('input_upper')
        action = np.clip(expected[0] + 0.1 * draw.standard_normal(len(lower)), lower, upper)
        actions = split(action, network.input_parts)
        outcomes = coordinated.evaluate(states, actions, loads)
        settled += check(network, coordinated, outcomes, central.evaluate(states, actions, loads), action_given=True)
    assert settled == 2 * n or (network.names[0] == 'hub' and settled >= n)


@pytest.mark.parametrize('method', ['reactions', 'prices'])
def test_a_price_that_only_passes_through_an_agent_is_a_change(method):
    """`near` has a price for `far` as soon as it has heard of its state, in round 2. In round 3 the price passes
    `middle`, which uses no trajectory of the others: nothing else changes, but `far` moves in round 4."""
    network = triangle()
    states = [np.array([0.0]), np.array([0.5]), np.array([0.0])]
    coordinated, central = Coordinated(network, method=method, rounds=80), Central(network)
    assert coordinated.tree.neighbours == ((1, 2), (0,), (0,))
    outcomes = coordinated.evaluate(states)
    assert check(network, coordinated, outcomes, central.evaluate(states))
    assert outcomes[0].rounds > 5


def test_prices_need_weak_coupling_and_reactions_do_not():
    """The price of a weakly damped neighbour overshoots; the second derivative of its cost tells how far to go."""
    network = star(coupling=0.6)
    central = Central(network)
    states = split(0.1 * np.ones(network.initial_state.size), network.state_parts)
    by = {method: Coordinated(network, method=method, rounds=60) for method in ('prices', 'reactions')}
    certified = {
        method: check(network, each, each.evaluate(states), central.evaluate(states)) for method, each in by.items()
    }
    assert certified == {'prices': False, 'reactions': True}


def test_without_inequalities_it_is_exact_after_as_many_rounds_as_the_tree_is_deep():
    """Nothing on a bound: the answer of round D is not changed by the next one, which takes D rounds to be known."""
    network = chain(5)
    states = split(0.01 * np.ones(network.initial_state.size), network.state_parts)
    thetas = coupled_thetas(network)
    coordinated, central = Coordinated(network, thetas), Central(network, thetas)
    u, value, _ = central.evaluate(states)
    assert (np.abs(u) < network.stacked('input_upper')).all()
    assert coordinated.evaluate(states)[0].certified
    exact = Coordinated(network, thetas, rounds=coordinated.tree.diameter).evaluate(states)
    assert not exact[0].certified
    assert [each.answers['V'].value for each in exact] == pytest.approx([value] * 5, rel=1e-12)


@pytest.mark.parametrize('network', [network for name, network in NETWORKS.items() if 'star' not in name])
def test_evaluations_sums_and_flags_share_their_rounds(network):
    """Without the star, whose Q cycles from a cold start: see the test of hard states."""
    draw = np.random.default_rng(4)
    states = split(network.initial_state, network.state_parts)
    others = split(network.initial_state + draw.uniform(-0.1, 0.1, network.initial_state.size), network.state_parts)
    middle = 0.5 * (network.stacked('input_lower') + network.stacked('input_upper'))
    actions = split(middle, network.input_parts)
    coordinated, n = Coordinated(network), network.n_agents
    requests = {'V': coordinated.requests(states), 'Q': coordinated.requests(others, actions)}
    terms, flags = draw.normal(size=(2, n)), draw.normal(size=(1, n))
    outcomes = coordinated.run(requests, terms, flags)
    assert len({each.rounds for each in outcomes}) == 1 and all(each.certified for each in outcomes)
    for each in outcomes:
        assert each.sums == pytest.approx(terms.sum(axis=1), abs=1e-12)
        assert each.maxima == [flags.max()]
    central = Central(network)
    check(network, coordinated, outcomes, central.evaluate(states), 'V')
    check(network, coordinated, outcomes, central.evaluate(others, actions), 'Q', action_given=True)


def test_a_reaction_is_the_optimal_value_of_the_side_behind_the_edge():
    """W(X, p) of an end of a chain, against its problem with X fixed and the price p, solved by itself."""
    network = chain(3)
    states = split(network.initial_state + 0.05, network.state_parts)
    coordinated = Coordinated(network)
    coordinated.evaluate(states)
    evaluation = coordinated.methods[0]._evaluations['V']
    message, shared = evaluation.message(1), coordinated.structures[0].shared
    n_x, n_p = len(shared.theirs[1]), len(shared.ours[1])
    assert len(message) == Reaction.size(n_x, n_p)
    n = n_x + n_p
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n)] = message[: n * (n + 1) // 2]
    matrix += np.triu(matrix, 1).T
    slope, constant = message[n * (n + 1) // 2 : -1], message[-1]
    data, problem = coordinated.mpcs[0].programme, network.local_problem(0)
    places = network.trajectory_places(0)
    of_fixed = np.zeros(len(data.linear))
    of_fixed[places[1]] = 1.0  # makes the programme definite and changes no solution
    definite = replace(data, hessian=data.hessian + np.diag(of_fixed))
    draw = np.random.default_rng(6)
    x = evaluation.w[shared.theirs[1]]
    for scale in (0.0, 1e-4, 1e-3):
        point = np.concatenate([x + scale * draw.standard_normal(n_x), scale * draw.standard_normal(n_p)])
        qp = SoftBoundedQp(definite, np.concatenate([problem.state, places[1]]), np.zeros(len(data.linear)))
        values = np.zeros(len(places[1]))
        values[network.shared_entries(1)] = point[:n_x]
        qp.fix(np.concatenate([states[0], values]), definite.equality_value)
        linear = data.linear.copy()
        linear[shared.ours[1]] += point[n_x:]
        qp.solve(linear)
        found = qp.solution()
        v = found.primal
        expected = 0.5 * v @ data.hessian @ v + linear @ v + data.constant + data.penalty @ found.slack
        told = 0.5 * point @ matrix @ point + slope @ point + constant
        assert told == pytest.approx(expected, rel=1e-8)
    assert np.linalg.eigvalsh(matrix[:n_x, :n_x]).min() >= -1e-9  # convex in X
    assert np.linalg.eigvalsh(matrix[n_x:, n_x:]).max() <= 1e-9  # concave in p
    assert n_x == len(network.shared_entries(1))


def begun(structure, request):
    evaluation = ReactingEvaluation(structure, 0.0, {})
    evaluation.begin(request.qp, request.data, request.state, request.action)
    return evaluation


@pytest.mark.parametrize('network', [chain(4), ring()], ids=['chain', 'ring'])
def test_kept_work_changes_no_message(network):
    """An agent that keeps its factors and messages tells what one tells that begins with the same models only."""
    coordinated, draw = Coordinated(network, coupled_thetas(network)), np.random.default_rng(5)
    told = again = 0
    for states in hard_states(network, 3, 3):
        requests = coordinated.requests(states)
        messages = exchanged(coordinated, requests)
        for i, (structure, request) in enumerate(zip(coordinated.structures, requests, strict=True)):
            evaluation = begun(structure, request)
            evaluation.solve()
            for _ in range(30):
                before = {k: evaluation.message(k) for k in evaluation.models}
                j = draw.choice(list(evaluation.models))
                message = messages[j, i][draw.integers(len(messages[j, i]))].copy()
                gradient = len(evaluation.models[j].matrices) + np.arange(len(structure.shared.ours[j]))
                message[gradient] += draw.standard_normal(len(gradient)) * 10.0 ** draw.uniform(-2.0, 1.0)
                evaluation.models[j].take(message)
                afresh = begun(structure, request)
                for k, model in afresh.models.items():
                    model.take(np.append(evaluation.models[k].numbers, evaluation.models[k].constant))
                evaluation.solve()
                afresh.solve()
                for k in evaluation.models:
                    message = evaluation.message(k)
                    assert message == pytest.approx(afresh.message(k), rel=1e-6, abs=1e-6)
                    told, again = told + 1, again + np.array_equal(message, before[k])
            kept = {k: evaluation.message(k) for k in evaluation.models}
            assert evaluation.solve() == 0.0 and all(np.array_equal(evaluation.message(k), kept[k]) for k in kept)
    assert told > 500 and again > 10


def exchanged(coordinated, requests, rounds=5):
    """Messages of the first rounds, by sender and receiver."""
    evaluations = [begun(*each) for each in zip(coordinated.structures, requests, strict=True)]
    messages = {(i, j): [] for i, evaluation in enumerate(evaluations) for j in evaluation.models}
    for _ in range(rounds):
        for evaluation in evaluations:
            evaluation.solve()
        for i, j in messages:
            messages[i, j].append(evaluations[i].message(j))
        for i, j in messages:
            evaluations[j].models[i].take(messages[i, j][-1])
    return messages


def test_it_begins_where_it_was_whoever_has_forgotten():
    """An agent that starts again without its reactions needs no agreement with the others on that."""
    network = chain(4)
    draw = np.random.default_rng(7)
    thetas = coupled_thetas(network)
    coordinated, central = Coordinated(network, thetas), Central(network, thetas)
    for _ in range(3):
        start = network.initial_state + draw.uniform(-0.1, 0.2, network.initial_state.size)
        states = split(start, network.state_parts)
        assert check(network, coordinated, coordinated.evaluate(states), central.evaluate(states))
        coordinated.methods[2].reset()


def test_where_messages_are_missed_nobody_certifies_and_the_next_evaluation_is_right():
    """Agents that did not hear the same could not stop in the same round."""
    network = chain(4)
    states = split(network.initial_state + 0.1, network.state_parts)
    coordinated, central = Coordinated(network), Central(network)

    def losing(program, lost):
        """The program, which does not get the messages of one round."""
        request, rounds = next(program), 0
        try:
            while True:
                inbox = yield request
                rounds += 1
                request = program.send({} if rounds == lost else inbox)
        except StopIteration as end:
            return end.value

    for lost in (1, 2):  # later, others stop before they can hear of it
        for method in coordinated.methods:
            method.reset()
        requests = coordinated.requests(states)
        programs = [method.run({'V': request}) for method, request in zip(coordinated.methods, requests, strict=True)]
        programs[1] = losing(programs[1], lost)
        outcomes, _ = run_lockstep(programs)
        assert not any(each.certified for each in outcomes) and len({each.rounds for each in outcomes}) == 1
        assert check(network, coordinated, coordinated.evaluate(states), central.evaluate(states))


def test_an_agent_without_a_solution_is_named_and_certifies_nothing():
    network = chain(3)
    states = split(network.initial_state, network.state_parts)
    coordinated = Coordinated(network)
    requests = coordinated.requests(states)
    requests[1] = requests[1]._replace(state=np.array([np.nan, 0.0]))
    outcomes = coordinated.run({'V': requests})
    assert not any(each.certified for each in outcomes)
    assert [each.rounds for each in outcomes] == [
        3
    ] * 3  # the others know no change of their first solution; two rounds after the second all know
    assert {each.change for each in outcomes} == {FAILED}
    assert 'not finite' in outcomes[1].answers['V'].failure and outcomes[1].answers['V'].solution is None
    assert not outcomes[0].answers['V'].failure
    assert check(network, coordinated, coordinated.evaluate(states), Central(network).evaluate(states))
