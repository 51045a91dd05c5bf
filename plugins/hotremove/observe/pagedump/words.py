# SPDX-License-Identifier: Apache-2.0
"""Numbers in words."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """So many of what `noun` names: `1 page`, `2 pages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def span(seconds: float) -> str:
    """A length of time: `10 s`, `10 min`, `3.5 h`."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{round(seconds / size, 1):g} {unit}"
    return f"{round(seconds, 1):g} s"


def often(times: int, first: float | None, last: float | None) -> str:
    """`3 times in 10 s, the last at 615 s`; empty for once.

    `first` and `last` are seconds since boot; None where the log does not say.
    """
    if times == 1:
        return ""
    if first is None or last is None or last < first:
        return f"{times} times"
    return f"{times} times in {span(last - first)}, the last at {round(last, 1):.12g} s"
