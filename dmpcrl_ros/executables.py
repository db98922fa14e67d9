"""The functions of the executables. Their imports take a second; a Ctrl-C during that time ends them without a
traceback."""

import signal
from importlib import import_module

# The module of each executable; setup.cfg makes the executables of the functions below.
MODULES = {'dmpcrl': 'dmpcrl_ros.cli.commands', 'dmpcrl_agent': 'dmpcrl_ros.nodes.agent',
           'dmpcrl_plant': 'dmpcrl_ros.nodes.plant', 'dmpcrl_bridge': 'dmpcrl_ros.nodes.bridge',
           'dmpcrl_monitor': 'dmpcrl_ros.nodes.monitor', 'dmpcrl_relay': 'dmpcrl_ros.nodes.relay'}


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
    """Call main() of a module. During its import the kernel ends the process on Ctrl-C: nothing is to be undone."""
    handler = signal.getsignal(signal.SIGINT)
    python_decides = handler is signal.default_int_handler  # otherwise the starter of the process has decided
    if python_decides:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    main = import_module(MODULES[executable]).main
    if python_decides:
        signal.signal(signal.SIGINT, handler)
    return main()
