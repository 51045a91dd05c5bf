# SPDX-License-Identifier: Apache-2.0
"""The functions a report names, and the fingerprint by which it is known again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hotremove.observe.rules import Rules

_FUNCTION = r"([A-Za-z_$][\w.$]*)"
_FRAME = re.compile(
    rf"\s*(?:\(?\[<[0-9a-f]+>\]\)?\s*)?(\? )?{_FUNCTION}"
    r"(?:\+0x[0-9a-f]+/0x[0-9a-f]+|(?= \([^()]+:\d+))"
)
_PLACE = re.compile(rf"\b{_FUNCTION}\+0x[0-9a-f]+/0x[0-9a-f]+")
_RIP = re.compile(rf"(?:RIP: 0010:|pc : ){_FUNCTION}")
_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)*|\.\d+$")
_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{6,}\b|'[^']*'|\"[^\"]*\"|\d+")
_LENGTH = 3
_TOLERATED = 2


def bare(function: str) -> str:
    """A function's name without what the compiler adds to clones of it."""
    return _CLONE.sub("", function)


def call_trace(messages: Iterable[str], rules: Rules) -> tuple[str, ...]:
    """The functions of the first call trace, innermost first.

    Those that the kernel marks `?`, which were only found on the stack, are left out unless there
    are no others: out of a thunk, for instance, 5.10 unwinds nothing for certain. A line of
    somebody else's in between is passed over; a blank one or two strange ones end it.
    """
    names: list[str] = []
    doubtful: list[str] = []
    inside, strangers = False, 0
    for message in messages:
        if not inside:
            inside = rules.trace.match(message) is not None
            continue
        frame = _FRAME.match(message)
        if frame:
            strangers = 0
            (doubtful if frame[1] else names).append(bare(frame[2]))
        elif not rules.between.match(message):
            strangers += _TOLERATED if not message.strip() else 1
            if strangers >= _TOLERATED and (names or doubtful):
                break
    return tuple(names or doubtful)


def place(title: str, messages: Iterable[str]) -> str | None:
    """The function that the report blames: named in its title, else where the processor was."""
    named = _PLACE.search(title)
    if named:
        return bare(named[1])
    for message in messages:
        found = _RIP.match(message)
        if found:
            return bare(found[1])
    return None


def fingerprint(
    kind: str, title: str, blamed: str | None, trace: Sequence[str], rules: Rules
) -> str:
    """A name that stays the same from run to run: `warning:__gup_longterm_locked:pin_user_pages`.

    The kind and the first functions that say something; without any, the title without numbers,
    addresses and quoted names.
    """
    telling: list[str] = []
    for function in ([blamed] if blamed else []) + list(trace):
        if function not in telling and not rules.noise.match(function):
            telling.append(function)
    if telling:
        return ":".join([kind, *telling[:_LENGTH]])
    words = re.findall(r"[A-Za-z_]+", _VARIABLE.sub(" ", title))
    return ":".join([kind, "-".join(words[:12]).lower() or "unknown"])
