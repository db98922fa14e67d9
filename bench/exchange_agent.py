# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""One of three processes in a row that time message rounds; started by bench/run.py, prints one line of JSON.

Measured in the same processes, one after the other: the one-way latency between the first two (half a ping-pong), a
round in which each agent exchanges a trajectory with its neighbours, and a round with the local problem solved in
between.
"""

import json
import sys
import time
from statistics import median

import numpy as np
import rclpy

from dmpcrl_ros.core.engine import RoundEngine
from dmpcrl_ros.core.exchange import Exchange
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.transport.engine_host import EngineHost, Hosted
from dmpcrl_ros.transport.exchange_topics import ExchangeTopics
from dmpcrl_ros.transport.executor import make_executor

_ROUNDS = 1000
_START = 30.0  # s


def _ping_pong(agent: int, data: np.ndarray):
    """Agents 0 and 1 answer one another; the times are those of a message there and back."""
    times = []
    for _ in range(_ROUNDS if agent < 2 else 0):
        started = time.perf_counter()
        send, wait = Exchange('ping', {1 - agent: data}, {}), Exchange('ping', {}, {1 - agent: data.shape})
        for request in (send, wait) if agent == 0 else (wait, send):
            _ = yield request
        times.append(time.perf_counter() - started)
    return times


def _rounds(neighbours: tuple[int, ...], data: np.ndarray, solve=None):
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        if solve:
            solve()
        yield Exchange('copies', dict.fromkeys(neighbours, data), dict.fromkeys(neighbours, data.shape))
        times.append(time.perf_counter() - started)
    return times


class Driver:
    """Runs programs of one agent over ROS 2, one after the other."""

    def __init__(self, node, executor, agent: int, system):
        neighbours = system.graph.neighbours[agent]
        self._agent, self._executor, self._host = agent, executor, EngineHost()
        self.engine = RoundEngine(agent, neighbours, round_timeout=30.0)
        self.exchange = ExchangeTopics(
            node,
            agent=agent,
            names=dict(enumerate(system.names)),
            neighbours=neighbours,
            deliver=lambda envelope: self._host.deliver(agent, envelope),
            dropped=self.engine.mailbox.dropped,
        )
        self._host.add(Hosted(self.engine, self.exchange.send, lambda act: None, self._on_end))

    def run(self, step: int, program):
        """Result of a program."""
        self._result = None
        self.engine.open(1, step, time.monotonic())
        self._host.handle(self._agent, self.engine.begin(program, time.monotonic()))
        while self.engine.busy:
            self._host.run_due()
            if self.engine.busy:
                self._executor.spin_once(timeout_sec=self._host.wait(0.5))
        return self._result

    def _on_end(self, result) -> None:
        self._result = result


def main() -> None:
    agent = int(sys.argv[1])
    settings = Settings(seed=1, coordination='admm', learning__order='first')
    system = settings.make_system()
    controller = settings.make_agent(system, agent)
    rclpy.init()
    node = rclpy.create_node('bench', namespace=system.names[agent])
    executor = make_executor()
    executor.add_node(node)
    driver = Driver(node, executor, agent, system)
    deadline = time.monotonic() + _START
    while driver.exchange.unmatched():
        if time.monotonic() > deadline:
            sys.exit(f'{system.names[agent]} does not find {driver.exchange.unmatched()}')
        executor.spin_once(timeout_sec=0.05)
    data, neighbours = np.zeros((system.structure.horizon + 1, 2)), system.graph.neighbours[agent]
    mpc, linear = controller.mpc, np.zeros(controller.admm.size)
    mpc.begin(np.array([0.05, 0.15]))
    found = {}
    driver.run(0, _rounds(neighbours, data))  # warm-up; measuring begins when all agents are connected
    programs = (
        ('one_way', _ping_pong(agent, data)),
        ('round', _rounds(neighbours, data)),
        ('round_and_solve', _rounds(neighbours, data, lambda: mpc.solve(linear))),
    )
    for step, (name, program) in enumerate(programs, 1):
        times = driver.run(step, program)
        found[name] = 1e3 * median(times) if times else None
    print(json.dumps(found), flush=True)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
