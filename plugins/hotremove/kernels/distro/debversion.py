# SPDX-License-Identifier: Apache-2.0
"""The order of Debian package versions (deb-version(7), dpkg's lib/dpkg/version.c)."""

from __future__ import annotations

import re

_PARTS = re.compile(r"(\D*)(\d*)")
_TILDE, _END, _LETTER, _OTHER = -1, 0, 1, 2


def sort_key(version: str) -> tuple[int, tuple[object, ...], tuple[object, ...]]:
    """A key under which versions sort as dpkg compares them; the newest has the highest key."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch), _part_key(upstream), _part_key(revision)


def _part_key(part: str) -> tuple[object, ...]:
    """Alternating keys of non-digit runs and numbers, as dpkg's verrevcmp walks them."""
    key: list[object] = []
    for text, number in _PARTS.findall(part or "0"):
        if text or number:
            key.append((*map(_character_key, text), (_END, 0)))
            key.append(int(number or 0))
    # A part that ends here compares as an empty run followed by zeros: above "~", below the rest.
    return (*key, ((_END, 0),), 0)


def _character_key(character: str) -> tuple[int, int]:
    """`~` sorts before the end of the part, letters before all other characters."""
    if character == "~":
        return (_TILDE, 0)
    return (_LETTER if character.isalpha() else _OTHER, ord(character))
