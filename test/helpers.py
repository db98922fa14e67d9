# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Shared parts of the tests: a directed network, agents of a network, small drivers."""

import json
from dataclasses import replace

import numpy as np

from dmpcrl_ros.core.agent import Observation
from dmpcrl_ros.core.exchange import Act, Exchange, ExchangeTimeout
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.simulation.lockstep import run_lockstep, step_in_lockstep
from dmpcrl_ros.systems.linear.chain import VARIANTS, chain
from dmpcrl_ros.systems.linear.description import from_description

REMOVE = object()  # as the value of `with_change`

# A directed network of unequal agents: tank uses heater, heater uses valve, valve uses tank. One state has no
# upper bound, one no lower bound; one agent has two inputs.
DIRECTED = {
    'name': 'directed',
    'mpc': {'horizon': 6, 'discount': 0.95},
    'learning': {
        'rho': 0.5,
        'admm_iterations': 50,
        'learning_rate': 1e-4,
        'update_every': 2,
        'exploration_probability': 0.5,
        'exploration_strength': 0.3,
    },
    'agents': [
        {
            'name': 'tank',
            'initial_state': [0.4, -0.3],
            'dynamics': {
                'A': [[0.9, 0.2], [-0.1, 0.8]],
                'B': [[0.1], [0.5]],
                'neighbours': {'heater': [[0.1, 0.0, -0.1], [0.0, 0.05, 0.0]]},
            },
            'model': {
                'A': [[0.95, 0.15], [0.0, 0.8]],
                'B': [[0.0], [0.4]],
                'neighbours': {'heater': [[0.05, 0.0, 0.0], [0.0, 0.05, 0.02]]},
            },
            'noise': {'lower': [-0.05, 0.0], 'upper': [0.05, 0.02]},
            'bounds': {
                'state': {'lower': [-0.3, -0.5], 'upper': [0.5, 0.6]},
                'input': {'lower': [-0.6], 'upper': [0.8]},
            },
            'cost': {'state': [1.0, 2.0], 'input': [0.3], 'violation': [8.0, 5.0]},
        },
        {
            'name': 'valve',
            'initial_state': [0.5],
            'dynamics': {'A': [[1.05]], 'B': [[0.4, -0.2]], 'neighbours': {'tank': [[0.1, -0.1]]}},
            'noise': {'lower': [-0.03], 'upper': [0.03]},
            'bounds': {'state': {'upper': [0.55]}, 'input': {'lower': [-0.5, -0.4], 'upper': [0.5, 0.4]}},
            'cost': {'state': [1.5], 'input': [0.4, 0.8], 'violation': [5.0]},
        },
        {
            'name': 'heater',
            'initial_state': [0.2, 0.3, -0.2],
            'dynamics': {
                'A': [[0.8, 0.1, 0.0], [0.0, 0.9, 0.2], [0.1, 0.0, 0.7]],
                'B': [[0.2], [0.0], [0.5]],
                'neighbours': {'valve': [[0.1], [0.0], [-0.15]]},
            },
            'noise': {'lower': [0.0, 0.0, -0.02], 'upper': [0.0, 0.02, 0.02]},
            'bounds': {
                'state': {'lower': [-0.1, -0.5, -0.4], 'upper': [float('inf'), 0.4, 0.4]},
                'input': {'lower': [-0.7], 'upper': [0.7]},
            },
            'cost': {'state': [0.5, 1.0, 1.0], 'input': [0.5], 'violation': [6.0, 6.0, 4.0]},
            'parameters': {'x_lb': [0.05, 0.0, 0.0], 'f': [0.02, 0.0, 0.0, -0.01]},
        },
    ],
}

CHAINS = {variant: chain(3, variant) for variant in VARIANTS}


def directed_network():
    return from_description(DIRECTED)


def ring_description(n):
    """A directed ring: each agent uses the state of the next one, and trajectories travel along the whole tree."""
    agents = [
        {
            'name': f'agent_{i}',
            'initial_state': [0.1, 0.0],
            'dynamics': {
                'A': [[0.9, 0.3], [0.0, 0.8]],
                'B': [[0.0], [0.4]],
                'neighbours': {f'agent_{(i + 1) % n}': [[0.0, 0.1], [0.05, 0.0]]},
            },
            'noise': {'lower': [0.0, 0.0], 'upper': [0.0, 0.0]},
            'bounds': {'state': {'lower': [-0.3, -0.5], 'upper': [0.3, 0.5]}, 'input': {'lower': [-1], 'upper': [1]}},
            'cost': {'state': [1.0, 0.1], 'input': [0.3], 'violation': [3.0, 3.0]},
        }
        for i in range(n)
    ]
    return {'name': 'ring', 'mpc': {'horizon': 5, 'discount': 1.0}, 'agents': agents}


def ring(n=7):
    return from_description(ring_description(n))


def agents_of(network, thetas=None, **settings):
    """The distributed agents of a network; `settings` as of Settings, ADMM that starts cold if they do not say."""
    settings = _by_admm({'admm__warm_start': False} | settings)
    agents = [settings.make_agent(network, i) for i in range(network.n_agents)]
    for agent, theta in zip(agents, thetas or [], strict=False):
        agent.mpc.theta = theta
    return agents


def central_of(network, thetas=None, **settings):
    """The centralised twin, of agents with ADMM if the settings do not say."""
    agent = _by_admm(settings).make_central_agent(network)
    if thetas:
        agent.mpc.theta = np.concatenate(thetas)
    return agent


def _by_admm(settings):
    """Settings with ADMM if they do not say, where there is a choice."""
    return Settings(**settings if settings.get('method') == 'scenario_mpc' else {'coordination': 'admm'} | settings)


def initial_thetas(network):
    return [agent.mpc.theta for agent in agents_of(network)]


def perturbed(thetas, draw, scale):
    """Parameters near those given: each moved by about `scale` of its size, and of one."""
    return [theta + scale * (1.0 + np.abs(theta)) * draw.standard_normal(theta.size) for theta in thetas]


def split(vector, parts):
    return [vector[part] for part in parts]


def evaluate(agents, states, actions=None):
    """Evaluations of V(s), or of Q(s, a), by all agents; none may fail."""
    given = [None] * len(agents) if actions is None else actions
    found, _ = run_lockstep(
        [agent.evaluate(state, action) for agent, state, action in zip(agents, states, given, strict=True)]
    )
    assert not any(evaluation.failure for evaluation in found), [evaluation.failure for evaluation in found]
    return found


def value_of(evaluations):
    return sum(evaluation.value for evaluation in evaluations)


def gradient_of(agents, evaluations):
    """Derivative of the value in the stacked parameters."""
    return np.concatenate(
        [
            agent.mpc.sensitivities(evaluation.solution).gradient
            for agent, evaluation in zip(agents, evaluations, strict=True)
        ]
    )


def action_of(agents, evaluations):
    return np.concatenate(
        [agent.mpc.action(evaluation.solution) for agent, evaluation in zip(agents, evaluations, strict=True)]
    )


def relative(found, expected):
    """Largest error, relative to the largest element expected where that is above one."""
    return np.abs(np.asarray(found) - expected).max() / max(1.0, np.abs(expected).max())


def altered_inbox(program, kind, number, value):
    """The program with `value` in the first place of the messages that reach it in the given round of a kind."""
    seen = 0
    try:
        request = next(program)
        while True:
            inbox = yield request
            if request.kind == kind:
                if seen == number:
                    inbox = {sender: message.copy() for sender, message in inbox.items()}
                    for message in inbox.values():
                        message.flat[0] = value
                seen += 1
            request = program.send(inbox)
    except StopIteration as end:
        return end.value


def observation(state, step=0, **others):
    """Observation of an agent in a step of the first episode."""
    return Observation(
        **({'step': step, 'episode': 0, 'state': state, 'exogenous': np.zeros(0), 'stage_cost': 0.0} | others)
    )


def watched(program, see):
    """The program; `see` is shown all that it asks for, and its result."""
    try:
        request = next(program)
        while True:
            see(request)
            try:
                answer = yield request
            except ExchangeTimeout as timeout:
                request = program.throw(timeout)
            else:
                request = program.send(answer)
    except StopIteration as end:
        see(end.value)
        return end.value


def interrupted(program, chosen, error):
    """The program, into which `error` is thrown in place of the messages of the first exchange that is chosen."""
    try:
        request = next(program)
        while True:
            if isinstance(request, Exchange) and chosen(request):
                chosen = never
                request = program.throw(error)
            else:
                request = program.send((yield request))
    except StopIteration as end:
        return end.value


def without(program, lost):
    """The program of an agent that is without a neighbour: the driver knows, and leaves it out of the inboxes."""
    request = next(program)
    try:
        while True:
            if isinstance(request, Exchange):
                request = request._replace(expects={j: shape for j, shape in request.expects.items() if j != lost})
            request = program.send((yield request))
    except StopIteration as end:
        return end.value


def never(request):
    return False


def nth(number, kind):
    """Chooses the exchange of this number, from 1, among those of a kind."""
    left = [number]

    def chosen(request):
        left[0] -= request.kind == kind
        return left[0] == 0 and request.kind == kind

    return chosen


class Watch:
    """Driver of control steps that keeps what all agents asked for and reported, as [step][agent]."""

    def __init__(self, drive=step_in_lockstep):
        self.requests, self.reports, self._drive = [], [], drive

    @property
    def step(self):
        """The present step."""
        return len(self.requests) - 1

    def has_acted(self, agent):
        """Whether an agent has decided in the present step, and learns by now."""
        return any(isinstance(request, Act) for request in self.requests[-1][agent])

    def acts(self, agent):
        """Actions of an agent in each step."""
        return [request for asked in self.requests for request in asked[agent] if isinstance(request, Act)]

    def __call__(self, programs):
        self.requests.append([[] for _ in programs])
        outcome = self._drive(
            [watched(program, kept.append) for program, kept in zip(programs, self.requests[-1], strict=True)]
        )
        self.reports.append(outcome.reports)
        return outcome


class Told:
    """An agent whose observations are changed by `changes(step)`."""

    def __init__(self, agent, changes):
        self._agent, self._changes = agent, changes

    def __getattr__(self, name):
        return getattr(self._agent, name)

    def step(self, observation):
        return self._agent.step(replace(observation, **self._changes(observation.step)))


def with_change(description, path, value):
    """A copy of a description in which the element at `path` has another value, or is removed."""
    whole = json.loads(json.dumps(description))
    part = whole
    for key in path[:-1]:
        part = part[key]
    if value is REMOVE:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return whole
