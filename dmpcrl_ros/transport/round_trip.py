# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Measures a message round trip between two processes.

`dmpcrl doctor` runs this module twice: `answer TOPIC` returns every message, `call TOPIC` measures and prints one line
of JSON. Both end without a signal.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException

import dmpcrl_ros.msg as msg
from dmpcrl_ros.core.mailbox import Envelope
from dmpcrl_ros.topics import exchange_topic
from dmpcrl_ros.transport.conversions import exchange_from_msg, exchange_to_msg
from dmpcrl_ros.transport.executor import make_executor
from dmpcrl_ros.transport.qos import EXCHANGE

_SIZE = 22  # numbers in a message: a trajectory of two states over a horizon of ten
_MESSAGES = 200
_PATIENCE = 10.0  # s for the start, and for each answer
_AGAIN = 0.1  # s until the first message is sent again
_LIFETIME = 60.0  # s after which the answering process ends


class _End:
    """One end of the connection: a node that publishes on one topic and subscribes to another."""

    def __init__(self, name: str, send: str, hear: str, heard: Callable[[msg.Exchange], None]):
        self._executor, self._node = make_executor(), rclpy.create_node(name)
        self._executor.add_node(self._node)
        self.send = self._node.create_publisher(msg.Exchange, send, EXCHANGE).publish
        self._node.create_subscription(msg.Exchange, hear, heard, EXCHANGE)

    def wait(self, done: Callable[[], object], seconds: float) -> bool:
        """Spin until `done` returns true or a timeout [s], and return whether it did."""
        deadline = time.monotonic() + seconds
        while not done():
            if not rclpy.ok():
                raise ExternalShutdownException
            if time.monotonic() > deadline:
                return False
            self._executor.spin_once(timeout_sec=min(seconds, 0.1))
        return True


def answer(name: str) -> None:
    """Return every message until the process ends."""
    end = _End(
        'round_trip_answerer',
        exchange_topic(name, 'caller'),
        exchange_topic(name, 'answerer'),
        lambda message: end.send(message),
    )
    end.wait(lambda: False, _LIFETIME)


def call(name: str) -> dict[str, float]:
    """Median and 95th percentile of the round trip in ms.

    Raises:
        TimeoutError: the processes do not discover each other, or a message is lost.
    """
    received: dict[int, msg.Exchange] = {}
    end = _End(
        'round_trip_caller',
        exchange_topic(name, 'answerer'),
        exchange_topic(name, 'caller'),
        lambda message: received.setdefault(message.round, message),
    )
    data, times = np.arange(_SIZE, dtype=float), []

    def send(number: int) -> None:
        end.send(exchange_to_msg(Envelope(1, 0, number, 0, 'copies', data)))

    deadline = time.monotonic() + _PATIENCE
    while not received:  # messages can be lost until both processes have discovered each other
        send(0)
        if not end.wait(lambda: received, _AGAIN) and time.monotonic() > deadline:
            raise TimeoutError(f'two processes did not receive messages of each other within {_PATIENCE:g} s')
    for number in range(1, _MESSAGES + 1):
        started = time.perf_counter()
        send(number)
        if not end.wait(partial(received.__contains__, number), _PATIENCE):
            raise TimeoutError(f'a message did not return within {_PATIENCE:g} s')
        times.append(1e3 * (time.perf_counter() - started))
        if not np.array_equal(exchange_from_msg(received[number], 0).data[:, 0], data):
            raise TimeoutError('a message returned with changes')
    return {'median_ms': statistics.median(times), 'p95_ms': float(np.percentile(times, 95)), 'messages': _MESSAGES}


def main() -> int:
    """Answer; or call, and print the measurement as JSON or the error."""
    role, name = sys.argv[1:]
    try:
        rclpy.init()
        if role == 'answer':
            answer(name)
        else:
            print(json.dumps(call(name)))
        return 0
    except TimeoutError as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 1
    finally:
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
