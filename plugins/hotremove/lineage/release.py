# SPDX-License-Identifier: Apache-2.0
"""Upstream releases, as they stand in versions of vendors and in what git says of a commit."""

from __future__ import annotations

import re

Version = tuple[int, int, int]
NONE: Version = (0, 0, 0)
"""Of what names no release."""

_RELEASE = re.compile(r"(?:linux-|v)?(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?")
_PARTS = re.compile(r"(\d+)|([^\d]+)")
# What comes before the release that it names: `7.3~rc6-1~exp1`, `v7.3-rc6`.
_CANDIDATE = re.compile(r"[-~.]rc\d")


def parse(text: str) -> Version:
    """The release that a version begins with: `6.12.43-1~bpo12+1`, `v6.12.50-3-g0123456789ab`.

    A missing point is 0, and a candidate (`7.3-rc6`) is the release that it is to become: most
    changes of a cycle are in its first one. `NONE` for what begins with none.
    """
    found = _RELEASE.match(text.strip())
    if not found:
        return NONE
    major, minor, point = found.groups("0")
    return int(major), int(minor), int(point)


def series(text: str) -> str:
    """The stable series that a version belongs to: `6.12`."""
    major, minor, _ = parse(text)
    return f"{major}.{minor}"


def order(text: str) -> tuple[Version, bool, tuple[tuple[int, str], ...]]:
    """What versions are sorted by: the release, its candidates before it, then what is behind.

    Numbers are compared as such: `-9` is before `-10`.
    """
    found = _RELEASE.match(text.strip())
    rest = text.strip()[found.end() :] if found else text
    parts = tuple((int(number or 0), word) for number, word in _PARTS.findall(rest))
    return parse(text), not _CANDIDATE.match(rest), parts
