# SPDX-License-Identifier: Apache-2.0
"""A test's timeline as bars: what was done to its guest, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hotremove.observe.timeline import Moment

_KINDS = {
    "restored": "start",
    "booted": "start",
    "plug": "plug",
    "online": "plug",
    "map": "map",
    "pin": "pin",
    "unpin": "pin",
    "remove": "remove",
    "offline": "remove",
    "SIGTERM": "remove",
}
# Of the many small things, those that take this part of the whole are drawn.
_VISIBLE = 0.02


@dataclass(frozen=True)
class Bar:
    """A moment, drawn.

    Attributes:
        name: what was done.
        kind: how it is coloured: `start`, `plug`, `map`, `pin`, `remove`, `other`.
        x: where it begins, per cent of the picture's width.
        width: its length, in the same unit.
        start: seconds after the guest was begun.
        seconds: how long it took.
    """

    name: str
    kind: str
    x: float
    width: float
    start: float
    seconds: float

    @property
    def end(self) -> float:
        """When it ended, in seconds like `start`."""
        return self.start + self.seconds


def draw(moments: Sequence[Moment]) -> tuple[Bar, ...]:
    """The bars of a timeline, by the time at which they begin; the last to end is at 100 %."""
    end = max((moment.end for moment in moments), default=0.0) or 1.0
    return tuple(
        Bar(
            name=moment.name,
            kind=_KINDS.get(moment.name.split(" ", 1)[0], "other"),
            x=round(100 * moment.start / end, 3),
            width=round(100 * moment.seconds / end, 3),
            start=moment.start,
            seconds=moment.seconds,
        )
        for moment in sorted(moments, key=lambda moment: moment.start)
        if moment.seconds >= end * _VISIBLE or ":" not in moment.name
    )


def longest(bars: Sequence[Bar], most: int) -> tuple[Bar, ...]:
    """At most so many of the bars, the longest, in their order."""
    kept = sorted(bars, key=lambda bar: bar.seconds, reverse=True)[:most]
    chosen = {id(bar) for bar in kept}
    return tuple(bar for bar in bars if id(bar) in chosen)
