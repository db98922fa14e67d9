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

from dmpcrl_ros.core.exchange import Exchange
from dmpcrl_ros.methods.build import distributed_agent
from dmpcrl_ros.settings.run import Settings
from dmpcrl_ros.transport.driver import RosDriver, make_executor

_ROUNDS = 1000
_START = 30.0  # s


def _ping_pong(agent: int, data: np.ndarray):
    """Agents 0 and 1 answer one another; the times are those of a message there and back."""
    times = []
    for _ in range(_ROUNDS if agent < 2 else 0):
        started = time.perf_counter()
        send, wait = Exchange('ping', {1 - agent: data}, {}), Exchange('pong', {}, {1 - agent: data.shape})
        for request in (send, wait) if agent == 0 else (wait, send):
            yield request._replace(kind='ping')
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


def main() -> None:
    agent = int(sys.argv[1])
    network = Settings(seed=1).network()
    controller = distributed_agent(network, agent, Settings(seed=1))
    rclpy.init()
    node = rclpy.create_node('bench', namespace=network.names[agent])
    executor = make_executor()
    executor.add_node(node)
    neighbours = network.graph.neighbours[agent]
    driver = RosDriver(node, executor, agent=agent, names=dict(enumerate(network.names)), neighbours=neighbours,
                       round_timeout=30.0)
    deadline = time.monotonic() + _START
    while driver.unmatched():
        if time.monotonic() > deadline:
            sys.exit(f'{network.names[agent]} does not find {driver.unmatched()}')
        executor.spin_once(timeout_sec=0.05)
    data = np.zeros((network.structure.horizon + 1, 2))
    mpc, linear = controller.mpc, np.zeros(controller.admm.size)
    mpc.begin(np.array([0.05, 0.15]))
    found = {}
    driver.begin_step(1, 0)
    driver.run(_rounds(neighbours, data))  # warm-up, and nobody starts to measure before all are there
    programs = (('one_way', _ping_pong(agent, data)), ('round', _rounds(neighbours, data)),
                ('round_and_solve', _rounds(neighbours, data, lambda: mpc.solve(linear))))
    for step, (name, program) in enumerate(programs, 1):
        driver.begin_step(1, step)
        times = driver.run(program)
        found[name] = 1e3 * median(times) if times else None
    print(json.dumps(found), flush=True)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
