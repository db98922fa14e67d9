# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Three carts coupled by springs, simulated by MuJoCo, behind the topics of ros2_control; see node.py."""

import argparse
import signal
import sys
from pathlib import Path

import rclpy
from carts import Carts
from film_strip import draw_film_strip
from node import Simulator
from rclpy.signals import SignalHandlerOptions
from record import Record


def main() -> int:
    """Simulate until the end, or Ctrl-C, and say what was commanded."""
    options = _parser().parse_args(rclpy.utilities.remove_ros_args(sys.argv)[1:])
    carts = Carts(options.seed, options.gusts)
    try:
        if options.render:
            options.render.touch()
        record = Record(carts.names, options.log)
    except OSError as error:
        print(f'mujoco_carts: {error}', file=sys.stderr)
        return 2
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # its handlers shut ROS down in the midst of a spin
    simulator = Simulator(carts, record, options.rate, options.hold)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: simulator.stop())
    try:
        simulator.run(options.duration)
    finally:
        record.close()
        simulator.destroy_node()
        rclpy.try_shutdown()
    if options.render and record.rows:
        draw_film_strip({'': record.rows}, carts.names, carts.rest, options.render)
    largest = ', '.join(f'{name} {value:g} N' for name, value in zip(carts.names, simulator.largest, strict=True))
    ignored = ', '.join(f'{count} {reason}' for reason, count in simulator.ignored.items())
    print(f'{simulator.time:.2f} s simulated; largest commands: {largest}; ignored: {ignored or "none"}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='mujoco_carts', description=__doc__)
    parser.add_argument('--seed', type=_non_negative(int), default=1, help='of the gusts [1]')
    parser.add_argument(
        '--gusts', type=_non_negative(float), default=0.8, help='force of the strongest gust in N [0.8]'
    )
    parser.add_argument('--rate', type=_positive, default=1.0, help='simulated seconds per second of wall time [1]')
    parser.add_argument(
        '--hold', action='store_true', help='brakes hold the carts in their initial state until the first command'
    )
    parser.add_argument(
        '--duration',
        type=_non_negative(float),
        default=0.0,
        help='simulated seconds after which to end; 0 continues until Ctrl-C [0]',
    )
    parser.add_argument('--log', type=Path, help='CSV file of positions, velocities, forces and commands')
    parser.add_argument('--render', type=Path, help='PNG file of a film strip, drawn at the end')
    return parser


def _non_negative(kind: type):
    def number(text: str):
        value = kind(text)
        if not 0 <= value < float('inf'):
            raise argparse.ArgumentTypeError(f'{text} must be a number that is not negative')
        return value

    return number


def _positive(text: str) -> float:
    value = _non_negative(float)(text)
    if not value:
        raise argparse.ArgumentTypeError('0 must be positive')
    return value


if __name__ == '__main__':
    sys.exit(main())
