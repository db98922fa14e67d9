# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""The terminal: what is printed stands there as it is, and paths are those of the user."""

import os
from typing import Any

import click
from rich.console import Console


def terminal() -> Console:
    """Console that prints brackets in paths and names as they are."""
    return Console(markup=False)


class ConsoleLog:
    """Log of a run without nodes (see recording.checkpoint_manager.Log).

    Args:
        console: to be written to.
    """

    def __init__(self, console: Console):
        self._console = console

    def info(self, message: str) -> None:
        """Tell what happens."""
        self._console.print(message, soft_wrap=True, highlight=False)

    def error(self, message: str) -> None:
        """Tell what has failed."""
        self._console.print(message, style='red', soft_wrap=True, highlight=False)


class UserPath(click.Path):
    """Path in which ~ is the home directory, also where the shell leaves it, as in --output=~/runs."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Path, checked as by click.Path."""
        return super().convert(os.path.expanduser(value), param, ctx)
