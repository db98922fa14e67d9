# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Signals of a process, and requests to the kernel."""

import ctypes
import os
import signal

# Ctrl-C, the end of the process, and the end of the terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
END_WITH_PARENT = 'DMPCRL_END_WITH_PARENT'  # environment variable: the launcher that a node is to end with


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when the thread that started it is gone, however that ended.

    A parent that is gone already is not noticed: where that can happen, compare os.getppid() afterwards.

    Args:
        number: of the signal.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def hold_signals() -> None:
    """Hold the ending signals back: in a process that starts until it is ready for them, or in one that ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def end_with_parent_if_asked() -> None:
    """Do `end_with_parent` in a process whose environment names its launcher, which may be gone already."""
    if launcher := os.environ.get(END_WITH_PARENT):
        end_with_parent()
        if str(os.getppid()) != launcher:
            os.kill(os.getpid(), signal.SIGTERM)
