# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The group of all commands, with their common handling of errors and signals."""

import signal
from typing import Any

import click
import cloup

from dmpcrl_ros.cli.processes import ProcessDied
from dmpcrl_ros.core.exchange import ProgramError
from dmpcrl_ros.core.graph import NetworkError
from dmpcrl_ros.core.process import ENDING
from dmpcrl_ros.core.registry import RegistryError
from dmpcrl_ros.core.settings import SettingError
from dmpcrl_ros.recording.run_files import RunDirectoryError

_CORRECTABLE = (ArithmeticError, NetworkError, OSError, ProgramError, RegistryError, RunDirectoryError, SettingError)


class CommandGroup(cloup.Group):
    """Reports errors that a user can correct in one line, with an exit code, and handles all ending signals."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command of the arguments.

        Raises:
            click.ClickException: the command failed; the message is for the user.
        """
        _handle_signals()
        try:
            return super().invoke(context)
        except ProcessDied as error:
            raise click.ClickException(f'the run has ended early: {error}') from None
        except _CORRECTABLE as error:
            raise click.ClickException(str(error)) from None


def _handle_signals() -> None:
    """Handle all ending signals like Ctrl-C, except those that the launcher made this process ignore."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
