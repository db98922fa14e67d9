# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The second-order step of paper 000: the agents' step is that of one controller that knows everything."""

import numpy as np
import pytest
from helpers import altered_inbox

from dmpcrl_ros.core.averaging import finite_time, fixed_weights
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.graph import CouplingGraph, path_graph
from dmpcrl_ros.methods.learner import Transition
from dmpcrl_ros.methods.q_learning.replay import ReplayBuffer
from dmpcrl_ros.methods.q_learning.safeguards import Safeguards
from dmpcrl_ros.methods.q_learning.second_order import (
    Batch,
    BatchRefused,
    CentralNewton,
    DistributedNewton,
    SecondOrderQLearning,
)
from dmpcrl_ros.simulation.lockstep import run_lockstep

GRAPHS = {
    'chain of 3': path_graph(3),
    'ring of 5': CouplingGraph([[4], [0], [1], [2], [3]]),
    'star of 6': CouplingGraph([[1, 2, 3, 4, 5], [], [], [], [], []]),
    'alone': path_graph(1),
}
SIGMA = 1e-3


class Problem:
    """Random G, delta and K = sum delta h of a network of agents of unequal size; h positive semidefinite."""

    def __init__(self, graph, *, count=15, seed=1, convex=True):
        draw = np.random.default_rng(seed)
        sizes = draw.integers(3, 9, graph.n_agents)
        self.delta = draw.normal(0.0, 2.0, count)
        self.G = [draw.normal(0.0, 1.0, (size, count)) for size in sizes]
        self.K = []
        for size in sizes:
            K = np.zeros((size, size))
            for td_error in self.delta:
                root = draw.normal(0.0, 0.3, (size, size))
                K += (-abs(td_error) if convex else td_error) * root @ root.T
            self.K.append(K)
        self.graph, self.count = graph, count

    def batches(self):
        return [Batch(self.delta, G, -K, self.count * SIGMA) for G, K in zip(self.G, self.K, strict=True)]

    def together(self):
        """G (p, T) and K (p, p), block diagonal, of the whole network."""
        ends = np.cumsum([0] + [len(K) for K in self.K])
        K = np.zeros((ends[-1], ends[-1]))
        for start, block in zip(ends, self.K, strict=False):
            K[start : start + len(block), start : start + len(block)] = block
        return np.vstack(self.G), K

    def central(self):
        """(H + Lambda) d = -q of papers.md 2.1, as it stands: H = 1/T sum (g g' - delta h), q = -1/T sum delta g."""
        G, K = self.together()
        H = (G @ G.T - K) / self.count
        return np.linalg.solve(H + SIGMA * np.eye(len(H)), G @ self.delta / self.count)

    def distributed(self, schedule=None, **options):
        schedule = schedule or finite_time(self.graph)
        systems = [DistributedNewton(Consensus(i, self.graph, schedule), **options) for i in range(self.graph.n_agents)]
        return run_lockstep(
            [system.direction(batch, self.count) for system, batch in zip(systems, self.batches(), strict=True)]
        )


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize('graph', GRAPHS.values(), ids=GRAPHS.keys())
@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('convex', [True, False], ids=['convex', 'indefinite'])
def test_the_agents_step_is_the_central_one(graph, seed, convex):
    """Guarantee 1. The Hessian may be indefinite: Woodbury's identity does not ask."""
    problem = Problem(graph, seed=seed, convex=convex)
    found, _ = problem.distributed(definite=False)
    assert relative(np.concatenate(found), problem.central()) < 1e-10


@pytest.mark.parametrize('definite', [True, False])
def test_the_central_controller_solves_the_same_system(definite):
    problem = Problem(path_graph(1), seed=3)
    (found,), rounds = run_lockstep([CentralNewton(definite=definite).direction(*problem.batches(), 15)])
    assert rounds == 0 and relative(found, problem.central()) < 1e-12


def test_a_step_by_hand():
    """One transition, two agents of one parameter: g = (1, 2), delta = 3, delta h = (-1, 0), sigma = 1.
    1/T (g g' - K) + sigma = [[1 + 1 + 1, 2], [2, 4 + 1]] = [[3, 2], [2, 5]], g delta = (3, 6);
    d = 1/11 [[5, -2], [-2, 3]] (3, 6) = (3, 12) / 11."""
    graph = path_graph(2)
    systems = [DistributedNewton(Consensus(i, graph, finite_time(graph))) for i in range(2)]
    batches = [
        Batch(np.array([3.0]), np.array([[1.0]]), np.array([[1.0]]), 1.0),
        Batch(np.array([3.0]), np.array([[2.0]]), np.array([[0.0]]), 1.0),
    ]
    found, _ = run_lockstep([s.direction(b, 1) for s, b in zip(systems, batches, strict=True)])
    assert np.concatenate(found) == pytest.approx([3.0 / 11.0, 12.0 / 11.0], rel=1e-14)


def test_the_released_step_solves_another_system():
    """K~ = (sigma I - mean of delta h)^-1 leads to (G G' + sigma I - K / T) d = G delta: not C-SO's."""
    problem = Problem(path_graph(3))
    found, _ = problem.distributed(as_released=True)
    G, K = problem.together()
    released = np.linalg.solve(G @ G.T + SIGMA * np.eye(len(G)) - K / 15, G @ problem.delta)
    assert relative(np.concatenate(found), released) < 1e-10
    assert relative(released, problem.central()) > 0.1


def test_the_error_of_finite_consensus_decays_as_predicted():
    """Guarantee 2: error of the step proportional to the factor that the schedule leaves of any disagreement."""
    problem = Problem(path_graph(5), seed=2)
    expected, factors, errors = problem.central(), [], []
    for rounds in (60, 90, 120, 150):
        schedule = fixed_weights(problem.graph, rounds)
        found, _ = problem.distributed(schedule)
        factors.append(schedule.error)
        errors.append(relative(np.concatenate(found), expected))
    assert errors[-1] < 1e-3 * errors[0] < 1e-3
    rates = np.diff(np.log(errors)) / np.diff(np.log(factors))
    assert rates == pytest.approx([1.0] * 3, abs=0.05)


@pytest.mark.parametrize('graph', [path_graph(2), path_graph(6), GRAPHS['star of 6']], ids=['2', '6', 'star of 6'])
@pytest.mark.parametrize('count', [4, 15])
def test_the_agreed_numbers_are_as_many_whatever_the_network(graph, count):
    """Guarantee 3: T (T + 1) / 2 numbers in each message of one run of consensus, for 3 to 8 parameters per agent."""
    problem, sizes = Problem(graph, count=count), []

    def counted(program):
        request = next(program)
        try:
            while True:
                assert request.kind == 'consensus'
                sizes.extend(message.size for message in request.outbox.values())
                request = program.send((yield request))
        except StopIteration as end:
            return end.value

    systems = [DistributedNewton(Consensus(i, graph, finite_time(graph))) for i in range(graph.n_agents)]
    _, rounds = run_lockstep([counted(s.direction(b, count)) for s, b in zip(systems, problem.batches(), strict=True)])
    assert rounds == finite_time(graph).rounds
    assert set(sizes) == {count * (count + 1) // 2}
    assert len(sizes) == rounds * graph.adjacency.sum()


def test_without_curvature_and_with_much_regularisation_the_step_is_of_first_order():
    """Guarantee 4: K = 0 and sigma large make d = 1/(T sigma) G delta."""
    problem = Problem(path_graph(3))
    sigma = 1e9
    batches = [Batch(problem.delta, G, np.zeros((len(G), len(G))), 15 * sigma) for G in problem.G]
    systems = [DistributedNewton(Consensus(i, problem.graph, finite_time(problem.graph))) for i in range(3)]
    found, _ = run_lockstep([s.direction(b, 15) for s, b in zip(systems, batches, strict=True)])
    for direction, G in zip(found, problem.G, strict=True):
        assert relative(15 * sigma * direction, G @ problem.delta) < 1e-7


# The learner: all agents learn, or none does.

FREE = {'lower': np.full(2, -np.inf), 'upper': np.full(2, np.inf)}


def network(*, n_agents=3, rate=0.5, safeguards=None, definite=True, regularisation=SIGMA, every=1):
    """The learners of a chain, two parameters each, after four transitions."""
    graph = path_graph(n_agents)
    learners = []
    for i in range(n_agents):
        consensus = Consensus(i, graph, finite_time(graph))
        learners.append(
            SecondOrderQLearning(
                newton=DistributedNewton(consensus, definite=definite),
                consensus=consensus,
                regularisation=regularisation,
                learning_rate=rate,
                decay=1.0,
                update_every=every,
                safeguards=safeguards or Safeguards(**FREE),
                replay=ReplayBuffer(capacity=10, sample_size=4, latest=4, seed=1),
            )
        )
        for step in range(1, 5):
            learners[i].observe(transition(i, step))
    return learners


def transition(agent, step, *, td_error=None, gradient=None, hessian=None):
    draw = np.random.default_rng([agent, step])
    numbers = draw.normal(0.0, 1.0, 2), np.diag(draw.uniform(0.0, 1.0, 2))
    return Transition(
        step,
        -1.0 - 0.1 * step if td_error is None else td_error,
        numbers[0] if gradient is None else gradient,
        numbers[1] if hessian is None else hessian,
    )


def update(learners, step=4, wrap=None):
    programs = [learner.update(step, np.array([1.0, -1.0])) for learner in learners]
    found, _ = run_lockstep([wrap(i, program) if wrap else program for i, program in enumerate(programs)])
    return found


def test_a_step_is_alpha_times_the_direction():
    whole, half = update(network(rate=0.5)), update(network(rate=0.25))
    for one, other in zip(whole, half, strict=True):
        assert not one.fault and not other.fault
        assert one.theta - [1.0, -1.0] == pytest.approx(2.0 * (other.theta - [1.0, -1.0]), rel=1e-12)
        assert np.abs(one.theta - [1.0, -1.0]).max() > 1e-3


BROKEN = {
    'gradient of NaN': {'gradient': np.array([np.nan, 1.0])},
    'infinite Hessian': {'hessian': np.diag([np.inf, 1.0])},
    'TD error of NaN': {'td_error': np.nan},
}


@pytest.mark.parametrize('broken', BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize('victim', [0, 1, 2])
def test_a_sample_that_is_invalid_at_one_agent_is_learned_from_by_none(broken, victim):
    learners = network()
    learners[victim].observe(transition(victim, 4, **broken))
    for i, found in enumerate(update(learners)):
        assert found.theta is None
        assert ('step 4 is not finite' if i == victim else 'another agent') in found.fault


@pytest.mark.parametrize('victim', [0, 1, 2])
@pytest.mark.parametrize('kind', ['indefinite', 'singular'])
def test_a_block_that_has_no_inverse_stops_the_batch_everywhere(kind, victim):
    """T sigma I - K of one agent: indefinite with a large positive TD error, singular without gradient, curvature
    and regularisation."""
    learners = network(regularisation=0.0 if kind == 'singular' else SIGMA)
    for step in range(1, 5):
        hessian = np.diag([5.0, 0.0]) if kind == 'indefinite' else np.zeros((2, 2))
        learners[victim].observe(transition(victim, step, td_error=2.0, hessian=hessian))
    for i, found in enumerate(update(learners)):
        assert found.theta is None
        assert ('block of second derivatives' if i == victim else 'another agent') in found.fault


def test_an_indefinite_block_is_no_obstacle_when_its_curvature_is_reversed():
    learners = network(safeguards=Safeguards(**FREE, absolute_curvature=True))
    for step in range(1, 5):
        learners[1].observe(transition(1, step, td_error=2.0, hessian=np.diag([5.0, 0.0])))
    found = update(learners)
    assert not any(each.fault for each in found)
    assert [each.metrics['curvature_reversed'] for each in found] == [0, 4, 0]


@pytest.mark.parametrize('round_number', [0, 1])
@pytest.mark.parametrize('victim', [0, 1, 2])
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_matrix_of_a_neighbour_that_is_no_number_stops_the_batch_everywhere(victim, round_number, value):
    def wrap(agent, program):
        return altered_inbox(program, 'consensus', round_number, value) if agent == victim else program

    found = update(network(), wrap=wrap)
    assert all(each.theta is None and 'batch refused' in each.fault for each in found)
    assert 'from the neighbours is not finite' in found[victim].fault


def test_transitions_that_one_agent_lacks_are_left_out_by_all():
    """As after the restart of an agent: the others learn as if those transitions did not exist."""
    learners, without = network(), network()
    learners[2].reset()
    for agent, learner in enumerate(without):
        learner.reset()
        for step in (3, 4):
            learner.observe(transition(agent, step))
    for step in (3, 4):
        learners[2].observe(transition(2, step))
    for one, other in zip(update(learners), update(without), strict=True):
        assert np.array_equal(one.theta, other.theta)


def test_with_no_transition_in_common_nothing_is_learned_and_nothing_is_wrong():
    learners = network()
    learners[0].reset()
    assert all(each.theta is None and not each.fault for each in update(learners))


def test_a_step_that_is_too_long_at_one_agent_is_shortened_everywhere_by_the_same_factor():
    free = update(network(rate=1.0))
    changes = [each.theta - [1.0, -1.0] for each in free]
    longest = max(np.abs(change).max() for change in changes)
    limited = update(network(rate=1.0, safeguards=Safeguards(**FREE, step_limit=longest / 4)))
    for each, change in zip(limited, changes, strict=True):
        assert each.theta - [1.0, -1.0] == pytest.approx(change / 4, rel=1e-12)
        assert each.metrics['step_scale'] == pytest.approx(0.25, rel=1e-12)


def test_parameters_stay_within_their_bounds_and_it_is_told():
    bounds = Safeguards(lower=np.array([1.0, -np.inf]), upper=np.array([np.inf, -1.0]))
    free, held = update(network(rate=1.0)), update(network(rate=1.0, safeguards=bounds))
    for one, other in zip(free, held, strict=True):
        beyond = np.array([one.theta[0] < 1.0, one.theta[1] > -1.0])
        assert other.metrics['parameters_held'] == beyond.sum()
        assert other.theta == pytest.approx(np.where(beyond, [1.0, -1.0], one.theta), rel=1e-15)
    assert sum(each.metrics['parameters_held'] for each in held) > 0


def test_a_batch_is_refused_before_numbers_overflow():
    with pytest.raises(BatchRefused, match='is not finite'), np.errstate(over='ignore'):
        batch = Batch(np.ones(1), np.full((1, 1), 1e200), np.zeros((1, 1)), SIGMA)
        run_lockstep([CentralNewton().direction(batch, 1)])


def test_a_part_of_c_that_overflows_is_not_sent_and_stops_the_batch_everywhere():
    learners = network()
    for step in range(1, 5):
        learners[1].observe(transition(1, step, gradient=np.full(2, 1e160)))
    with np.errstate(over='ignore', invalid='ignore'):
        found = update(learners)
    for i, each in enumerate(found):
        assert each.theta is None
        assert ('is not finite' if i == 1 else 'another agent') in each.fault
