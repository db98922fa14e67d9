"""The command `dmpcrl`."""

from dmpcrl_ros.cli.commands import main

__all__ = ['main']
