# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Signals of a process, and requests to the kernel."""

import ctypes
import os
import signal

# Ctrl-C, the end of the process, and the end of the terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
END_WITH_PARENT = 'DMPCRL_END_WITH_PARENT'  # environment variable: process id of the launcher with which a node ends


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when the thread that started it has ended, by whatever cause.

    A parent that has ended already is not detected: where that can happen, compare os.getppid() afterwards.

    Args:
        number: of the signal.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def hold_signals() -> None:
    """Block the ending signals in a process that starts, until its program can handle them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def end_with_parent_if_asked() -> None:
    """Call `end_with_parent` if the environment names a launcher; end at once if that has ended already."""
    if launcher := os.environ.get(END_WITH_PARENT):
        end_with_parent()
        if str(os.getppid()) != launcher:
            os.kill(os.getpid(), signal.SIGTERM)
