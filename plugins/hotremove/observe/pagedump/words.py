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
