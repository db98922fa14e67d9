# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

"""Typing errors in names, and the names that may be meant."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from os.path import commonprefix

_SHORT = 6  # in a shorter name one letter makes another word: mode and model, log and lag


def mistyped(typed: str, known: Iterable[str]) -> str | None:
    """Known name that differs from `typed` by one typing error.

    A measure of similarity would not do: long names of different things are similar, such as start_timeout and
    state_timeout.

    Returns:
        The name that differs only in case or separators, by two swapped letters or, if it is not short, by one missing,
        surplus or wrong letter; None if there is no such name.
    """
    return next((name for name in known if _is_slip(_plain(typed), _plain(name))), None)


def hint(typed: str, known: Iterable[str]) -> str:
    """Hint at the most similar known name, to end an error text about an unknown one; empty without a similar name."""
    close = get_close_matches(typed, known, n=1)
    return f'; did you mean {close[0]!r}?' if close else ''


def _plain(name: str) -> str:
    """Lower-case name with a dot for each separator; a command line, Python and ROS use different ones."""
    return re.sub(r'[^a-z0-9]+', '.', name.lower())


def _is_slip(typed: str, name: str) -> bool:
    letters = int(len(name) >= _SHORT)
    same = len(commonprefix([typed, name]))
    typed, name = typed[same:], name[same:]
    same = len(commonprefix([typed[::-1], name[::-1]]))
    typed, name = typed[: len(typed) - same], name[: len(name) - same]  # the parts between equal ends
    return max(len(typed), len(name)) <= letters or (len(typed) == 2 and typed == name[::-1])
