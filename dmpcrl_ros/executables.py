"""What the executables call. Their imports take a second, in which Ctrl-C is to end them without a traceback."""

import signal
from importlib import import_module


def dmpcrl() -> int:
    """The command dmpcrl."""
    return _start('dmpcrl_ros.cli.commands')


def agent() -> int:
    """The executable dmpcrl_agent."""
    return _start('dmpcrl_ros.nodes.agent')


def plant() -> int:
    """The executable dmpcrl_plant."""
    return _start('dmpcrl_ros.nodes.plant')


def bridge() -> int:
    """The executable dmpcrl_bridge."""
    return _start('dmpcrl_ros.nodes.bridge')


def monitor() -> int:
    """The executable dmpcrl_monitor."""
    return _start('dmpcrl_ros.nodes.monitor')


def relay() -> int:
    """The executable dmpcrl_relay."""
    return _start('dmpcrl_ros.nodes.fault_relay')


def _start(module: str) -> int:
    """Call a module's main(). While it is imported the kernel ends the process on Ctrl-C: nothing is to be undone."""
    handler = signal.getsignal(signal.SIGINT)
    python_decides = handler is signal.default_int_handler  # else whoever has started the process does
    if python_decides:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    main = import_module(module).main
    if python_decides:
        signal.signal(signal.SIGINT, handler)
    return main()
