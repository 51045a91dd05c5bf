# SPDX-License-Identifier: Apache-2.0
"""Lists of numbers as the kernel prints them: nodes, processors (lib/vsprintf.c, `%*pbl`)."""

from __future__ import annotations

from hotremove.errors import HotremoveError


def parse_list(text: str) -> frozenset[int]:
    """The numbers of a list.

    Raises:
        HotremoveError: it is none.

    Example:
        >>> sorted(parse_list("0,2-3"))
        [0, 2, 3]
    """
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise HotremoveError(f"this is no list of numbers: {text!r}")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)
