# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Names that people type: whether one of them is a typing error, and which one may be meant."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from os.path import commonprefix

_SHORT = 6  # a letter more, less or other in a shorter name makes another word: mode and model, log and lag


def mistyped(typed: str, known: Iterable[str]) -> str | None:
    """The known name that `typed` is but for one typing error.

    Names are not compared by their similarity: long ones that mean different things are similar, as start_timeout
    and state_timeout.

    Returns:
        The name that differs in case or separators only, or by two letters that changed places or, if it is not short,
        by one letter that is missing, too many or wrong; None if there is no such name.
    """
    return next((name for name in known if _is_slip(_plain(typed), _plain(name))), None)


def hint(typed: str, known: Iterable[str]) -> str:
    """End of a sentence about an unknown name: the known one that is most similar; empty if there is none."""
    close = get_close_matches(typed, known, n=1)
    return f'; did you mean {close[0]!r}?' if close else ''


def _plain(name: str) -> str:
    """The name in small letters, with a dot for each separator: a command line, Python and ROS write it differently."""
    return re.sub(r'[^a-z0-9]+', '.', name.lower())


def _is_slip(typed: str, name: str) -> bool:
    letters = int(len(name) >= _SHORT)
    same = len(commonprefix([typed, name]))
    typed, name = typed[same:], name[same:]
    same = len(commonprefix([typed[::-1], name[::-1]]))
    typed, name = typed[: len(typed) - same], name[: len(name) - same]  # what is left between equal ends
    return max(len(typed), len(name)) <= letters or (len(typed) == 2 and typed == name[::-1])
