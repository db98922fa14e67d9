"""Requests of a process to the kernel."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when the thread that started it is gone, however that ended.

    A parent that is gone already is not noticed: where that can happen, compare os.getppid() afterwards.

    Args:
        number: of the signal.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
