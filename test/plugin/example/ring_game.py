# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""A system and a method of another package, as small as they can be: queues on a ring, and tabular TD(0).

Nothing here knows MPC, and nothing in dmpcrl_ros knows this module: it is found by entry points.
"""

from dataclasses import dataclass

import numpy as np

from dmpcrl_ros.core.agent import AgentSpec, StepReport, snapshot_array
from dmpcrl_ros.core.averaging import finite_time
from dmpcrl_ros.core.consensus import Consensus
from dmpcrl_ros.core.exchange import Act, Exchange, ExchangeTimeout
from dmpcrl_ros.core.graph import CouplingGraph
from dmpcrl_ros.core.parameters import ParameterLayout
from dmpcrl_ros.core.randomness import KeyedDraws, stream
from dmpcrl_ros.core.settings import SettingError, group, setting
from dmpcrl_ros.core.spaces import EMPTY, Finite
from dmpcrl_ros.methods.method import Metric
from dmpcrl_ros.systems.system import System

LEVELS = 4  # of a queue: 0 to 3


@dataclass(frozen=True, kw_only=True)
class RingSettings:
    """Settings of the system."""

    agents: int = setting(4, 'number of queues', minimum=3, maximum=100)


class RingGame(System):
    """Queues on a ring. Action 1 serves: one customer moves on to the next queue, or leaves if that is full; action 0
    waits. A customer arrives with probability 0.3. Serving costs 0.2, each customer that waits costs 1."""

    episode_length = 30

    def __init__(self, n_agents):
        self.name = f'ring-{n_agents}'
        self.graph = CouplingGraph([[(i - 1) % n_agents] for i in range(n_agents)])
        self._agents = tuple(
            AgentSpec(
                name=f'queue_{i}',
                state=Finite((LEVELS,)),
                action=Finite((2,)),
                exogenous=EMPTY,
                safe_action=np.zeros(1),
            )
            for i in range(n_agents)
        )

    @property
    def agents(self):
        """Name and spaces of each queue."""
        return self._agents

    def plant(self, seed):
        """The queues at the beginning of a run."""
        return RingPlant(self.n_agents, seed)


class RingPlant:
    """The queues."""

    def __init__(self, n_agents, seed):
        self._n_agents = n_agents
        self.reset(seed)

    def reset(self, seed):
        """Begin a run."""
        self._draws = stream(seed, 'arrivals')
        self.begin_episode(0)

    def begin_episode(self, index):
        """Empty queues but for one."""
        self.levels = np.zeros(self._n_agents, dtype=int)
        self.levels[index % self._n_agents] = LEVELS - 1

    def observe(self):
        """Level (1,) of each queue."""
        return [np.array([float(level)]) for level in self.levels], [np.zeros(0)] * self._n_agents

    def step(self, actions):
        """Costs (n_agents,) of a step."""
        serves = np.array([action[0] > 0.5 for action in actions]) & (self.levels > 0)
        costs = self.levels + 0.2 * serves
        self.levels = self.levels - serves + np.roll(serves, 1) * (self._draws.random(self._n_agents) < 0.5)
        self.levels = np.minimum(self.levels + (self._draws.random(self._n_agents) < 0.3), LEVELS - 1)
        return costs.astype(float)


class Ring:
    """Source of the system."""

    name = 'ring_game'
    title = 'queues on a ring'
    settings = RingSettings

    def make(self, settings):
        """The system of these settings."""
        return RingGame(settings.agents)


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """Settings of learning the table."""

    rate: float = setting(0.2, 'step size of TD(0)', minimum=0.0, maximum=1.0)
    exploration: float | None = setting(
        0.2, 'probability of a random action', kind=float, absent='never', minimum=0.0, maximum=1.0
    )


@dataclass(frozen=True, kw_only=True)
class TabularSettings:
    """Settings of the method."""

    table: TableSettings = group(TableSettings)


class TabularTd:
    """Every agent learns Q(own level, level of the queue before it, action) by TD(0)."""

    name = 'tabular_td'
    title = 'tabular TD(0) over the own state and that of a neighbour'
    settings = TabularSettings
    requires = System
    metrics = (
        Metric(name='td_error', meaning='largest |TD error| of all agents', unit='cost', column='ended'),
        Metric(name='random_action', meaning='whether an action was random', column='begun', flag=True),
    )

    def layout(self, system, index):
        """Names of the table."""
        return ParameterLayout({'Q': (LEVELS, LEVELS, 2)})

    def agent(self, system, index, settings, *, seed, learn):
        """One agent."""
        if len(system.graph.parents[index]) != 1 or not isinstance(system.agents[index].state, Finite):
            raise SettingError(f'method {self.name} needs agents with finite states, each with one neighbour before it')
        return TabularAgent(system, index, settings.table, seed, learn, self.layout(system, index))


class TabularAgent:
    """One agent of the method."""

    def __init__(self, system, index, settings, seed, learn, layout):
        self.layout, self.theta, self.updates = layout, np.zeros(layout.size), 0
        self._index, self._settings, self._learn = index, settings, learn
        (self._before,) = system.graph.parents[index]
        self._after = system.graph.holders[index]
        self._consensus = Consensus(index, system.graph, finite_time(system.graph))
        self._draws = KeyedDraws(seed, 'tabular exploration')
        self._safe = system.agents[index].safe_action
        self.begin_run()

    def begin_run(self):
        """Forget the transition that is under way."""
        self._memory = None

    def reset(self):
        """Forget everything learned."""
        self.theta, self.updates = np.zeros(self.layout.size), 0
        self.begin_run()

    def snapshot(self):
        """The table."""
        return {'theta': self.theta.copy(), 'updates': np.array(self.updates)}

    def restore(self, arrays):
        """The table of a snapshot."""
        theta, updates = (
            snapshot_array(arrays, name, shape) for name, shape in (('theta', self.theta.shape), ('updates', ()))
        )
        self.theta, self.updates = theta.copy(), int(updates)
        self.begin_run()

    def step(self, observation):
        """Send the own level to the next queue, act, agree on the TD error, learn."""
        try:
            inbox = yield Exchange('levels', dict.fromkeys(self._after, observation.state), {self._before: (1,)})
        except ExchangeTimeout as timeout:
            self._memory = None
            yield Act(self._safe, fallback=True)
            return StepReport(updates=self.updates, fault=str(timeout))
        place = (int(observation.state[0]), int(inbox[self._before][0]))
        action, drawn = self._choose(place, observation.step)
        yield Act(np.array([float(action)]))
        try:
            return (yield from self._learned(observation, place, action, drawn))
        except ExchangeTimeout as timeout:
            self._memory = None
            return StepReport(updates=self.updates, fault=str(timeout))

    def _choose(self, place, step):
        draws = self._draws.at(self._index, step).random(2)
        if self._learn and draws[0] < (self._settings.exploration or 0.0):
            return int(draws[1] < 0.5), True
        return int(np.argmin(self._table[place])), False

    def _learned(self, observation, place, action, drawn):
        memory, self._memory = self._memory, (observation.episode, (*place, action))
        whole = memory is not None and memory[0] == observation.episode
        error = 0.0
        if whole:
            error = observation.stage_cost + 0.9 * self._table[place].min() - self._table[memory[1]]
        worst, lacking = yield from self._consensus.maximum([abs(error), not whole or bool(observation.hold)])
        if not lacking and self._learn:
            theta = self.theta.copy()
            theta.reshape(LEVELS, LEVELS, 2)[memory[1]] += self._settings.rate * error
            self.theta, self.updates = theta, self.updates + 1
        metrics = {'random_action': float(drawn)} | ({} if lacking else {'td_error': float(worst)})
        return StepReport(updates=self.updates, fault=observation.hold, metrics=metrics)

    @property
    def _table(self):
        return self.theta.reshape(LEVELS, LEVELS, 2)


RING, TABULAR_TD = Ring(), TabularTd()
