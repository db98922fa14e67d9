"""Measures a message round trip between two nodes, each with an executor and a thread of its own use of the wire.

Run as a module it prints one line of JSON; `dmpcrl doctor` and the benchmark call it so, in a process of its own.
"""

import json
import statistics
import sys
import time

import numpy as np
import rclpy

from dmpcrl_ros import msg
from dmpcrl_ros.transport.conversions import exchange_from_msg, exchange_to_msg
from dmpcrl_ros.transport.driver import make_executor
from dmpcrl_ros.transport.mailbox import Envelope
from dmpcrl_ros.transport.qos import EXCHANGE, exchange_topic

_SIZE = 22      # numbers in a message: a trajectory of two states over a horizon of ten
_PATIENCE = 10.0  # s for the whole start, and for each answer


def measure(messages: int = 200) -> dict[str, float]:
    """Median and 95th percentile of the round trip in ms.

    Raises:
        TimeoutError: the nodes do not find one another, or a message is lost.
    """
    executor = make_executor()
    caller, answerer = (rclpy.create_node(f'round_trip_{name}') for name in ('caller', 'answerer'))
    for node in (caller, answerer):
        executor.add_node(node)
    back = answerer.create_publisher(msg.Exchange, exchange_topic('doctor_b', 'doctor_a'), EXCHANGE)
    forth = caller.create_publisher(msg.Exchange, exchange_topic('doctor_a', 'doctor_b'), EXCHANGE)
    received: list[msg.Exchange] = []
    subscriptions = [
        answerer.create_subscription(msg.Exchange, exchange_topic('doctor_a', 'doctor_b'), back.publish, EXCHANGE),
        caller.create_subscription(msg.Exchange, exchange_topic('doctor_b', 'doctor_a'), received.append, EXCHANGE)]

    def wait(done) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(f'no message came through within {_PATIENCE:g} s')
            executor.spin_once(timeout_sec=0.1)

    wait(lambda: all(s.get_publisher_count() for s in subscriptions)
         and back.get_subscription_count() and forth.get_subscription_count())
    data, times = np.arange(_SIZE, dtype=float), []
    for number in range(messages):
        started = time.perf_counter()
        forth.publish(exchange_to_msg(Envelope(1, 0, number, 0, 'copies', data)))
        wait(lambda number=number: len(received) > number)
        times.append(1e3 * (time.perf_counter() - started))
        if not np.array_equal(exchange_from_msg(received[-1], 0).data[:, 0], data):
            raise TimeoutError('a message came back changed')
    return {'median_ms': statistics.median(times), 'p95_ms': float(np.percentile(times, 95)), 'messages': messages}


def main() -> int:
    """Print the measurement as JSON, or what went wrong."""
    rclpy.init()
    try:
        print(json.dumps(measure()))
        return 0
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
