# SPDX-License-Identifier: Apache-2.0
"""Where the time of tests went: each second belongs to the innermost moment that covers it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hotremove.observe.timeline import Moment
from hotremove.results.case import Case
from hotremove.results.naming import title

# Sizes and numbers: `map 128 MiB` and `offline memory33` are each one kind of moment.
_SIZE = re.compile(r" ?\d[\d.]*( [KMG]iB)?\b|(?<=memory)\d+")
# Moments are written in milliseconds: one may seem to end so much after what it lies in (seconds).
_ROUNDING = 0.002
# Part of the whole from which on a span is told.
_LEAST = 0.002


@dataclass(frozen=True)
class Spent:
    """What one kind of moment took.

    Attributes:
        name: of the moments, without sizes.
        seconds: of all, without what lies in them and has a name of its own.
        times: how many there were.
    """

    name: str
    seconds: float
    times: int


@dataclass(frozen=True)
class SpentOnTest:
    """What one test took.

    Attributes:
        kernel: its label.
        row: the scenario with all it was run over.
        seconds: of its whole timeline.
        spans: what they went into, most first.
    """

    kernel: str
    row: str
    seconds: float
    spans: tuple[Spent, ...]


def by_span(cases: Iterable[Case]) -> tuple[Spent, ...]:
    """What the tests of a run took, by kinds of moments, most first."""
    return _added_up(own for case in cases for own in own_seconds(case.timeline))


def worth_telling(spans: Sequence[Spent]) -> tuple[Spent, ...]:
    """Those of some weight."""
    least = _LEAST * sum(one.seconds for one in spans)
    return tuple(one for one in spans if one.seconds >= least)


def by_test(cases: Iterable[Case]) -> list[SpentOnTest]:
    """What each test took, the longest first; those without a timeline are left out."""
    timed = [_of_test(case) for case in cases if case.timeline]
    return sorted(timed, key=lambda one: -one.seconds)


def _of_test(case: Case) -> SpentOnTest:
    spans = _added_up(own_seconds(case.timeline))
    seconds = sum(one.seconds for one in spans)
    return SpentOnTest(case.result.kernel_label, title(case.result), seconds, spans)


def own_seconds(moments: Sequence[Moment]) -> Iterator[tuple[str, float]]:
    """The name of each moment, and its seconds that no moment within it has.

    Small things, `agent: run`, are named with what they are part of: `online, agent: run`.
    """
    open_ones: list[_Open] = []
    for moment in sorted(moments, key=lambda one: (one.start, -one.seconds)):
        while open_ones and open_ones[-1].moment.end < moment.end - _ROUNDING:
            yield open_ones.pop().own
        outer = open_ones[-1] if open_ones else None
        if outer:
            outer.within += moment.seconds
        open_ones.append(_Open(moment, outer))
    yield from (one.own for one in reversed(open_ones))


@dataclass
class _Open:
    """A moment in which others may lie, and which may lie in another."""

    moment: Moment
    outer: _Open | None
    within: float = 0.0

    @property
    def own(self) -> tuple[str, float]:
        return self.name, max(self.moment.seconds - self.within, 0.0)

    @property
    def name(self) -> str:
        """Of the small things that make up others, for which it was done."""
        name = self.moment.name
        return f"{self.outer.moment.name}, {name}" if self.outer and ": " in name else name


def _added_up(owns: Iterable[tuple[str, float]]) -> tuple[Spent, ...]:
    seconds: dict[str, float] = defaultdict(float)
    times: dict[str, int] = defaultdict(int)
    for name, own in owns:
        kind = _SIZE.sub("", name)
        seconds[kind] += own
        times[kind] += 1
    found = (Spent(kind, seconds[kind], times[kind]) for kind in seconds)
    return tuple(sorted(found, key=lambda one: -one.seconds))
