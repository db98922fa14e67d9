# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Functions of the executables.

Their imports take a second. Ctrl-C during that time ends them without a traceback.
"""

import signal
import sys
from importlib import import_module

# Module of each executable; setup.cfg makes executables of the functions below.
MODULES = {
    'dmpcrl': 'dmpcrl_ros.cli.commands',
    'dmpcrl_agent': 'dmpcrl_ros.nodes.agent',
    'dmpcrl_plant': 'dmpcrl_ros.nodes.plant',
    'dmpcrl_bridge': 'dmpcrl_ros.nodes.bridge',
    'dmpcrl_monitor': 'dmpcrl_ros.nodes.monitor',
    'dmpcrl_relay': 'dmpcrl_ros.nodes.relay',
}


def dmpcrl() -> int:
    """Run the command dmpcrl."""
    return _start('dmpcrl')


def agent() -> int:
    """Run the executable dmpcrl_agent."""
    return _start('dmpcrl_agent')


def plant() -> int:
    """Run the executable dmpcrl_plant."""
    return _start('dmpcrl_plant')


def bridge() -> int:
    """Run the executable dmpcrl_bridge."""
    return _start('dmpcrl_bridge')


def monitor() -> int:
    """Run the executable dmpcrl_monitor."""
    return _start('dmpcrl_monitor')


def relay() -> int:
    """Run the executable dmpcrl_relay."""
    return _start('dmpcrl_relay')


def _start(executable: str) -> int:
    """Call main() of a module. During its import Ctrl-C ends the process at once: there is nothing to undo."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # otherwise the launcher decides
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return import_module(MODULES[executable]).main()


if __name__ == '__main__':  # python -m dmpcrl_ros.executables dmpcrl_agent ...
    sys.exit(_start(sys.argv.pop(1)))
