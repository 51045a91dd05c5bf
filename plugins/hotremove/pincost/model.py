# SPDX-License-Identifier: Apache-2.0
"""What a pin costs, counted in instructions, and how that grows with its size: pure functions.

The figures come from guests whose clock counts instructions (`guests/pin_cost`), so that they are
the same whenever and wherever they are measured.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from statistics import fmean

from hotremove import shapes
from hotremove.errors import HotremoveError
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.units import GIB, MIB

MOVABLE = "Movable"
NORMAL = "Normal"
# Two-sided 95 % points of Student's t for 1, 2, … degrees of freedom.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A pin to be measured.

    Attributes:
        path: `rdma` or `vfio`.
        mib: its size, MiB.
        zone: `Movable`, where the fix has to move the pages first, or `Normal`: any other zone.
        kind: `anon`, `thp`, `hugetlb2m`.
        faulted: whether the pages are there before the pin.
        batch: pages a call pins; 0 for all at once.
    """

    path: str
    mib: int
    zone: str = MOVABLE
    kind: str = "anon"
    faulted: bool = True
    batch: int = 0

    def __post_init__(self) -> None:
        if self.mib < 1 or self.batch < 0:
            raise ValueError(f"there is no pin of {self.mib} MiB by {self.batch} pages")

    def __str__(self) -> str:
        fresh = "" if self.faulted else ", not faulted"
        batch = f", {self.batch} a call" if self.batch else ""
        return f"{self.path} {self.kind} {self.zone}{fresh}{batch}"

    @property
    def pages(self) -> int:
        """Base pages."""
        return self.mib * MIB // PAGE_BYTES


@dataclass(frozen=True, kw_only=True)
class Cost(Point):
    """What a point cost.

    Attributes:
        instructions: spent in the calls that pin, interrupts and kernel threads meanwhile included.
        calls: how many there were.
        acquired: page references that the kernel took for pins (nr_foll_pin_acquired).
        migrated: pages migrated (pgmigrate_success).
        drains: calls of lru_add_drain_all(); None where no kprobe can count them.
        refused: why there was no pin, or empty.
        moves: whether the kernel knows the migration reason `longterm_pin`, so has the fix.
    """

    instructions: int
    calls: int
    acquired: int
    migrated: int
    drains: int | None = None
    refused: str = ""
    moves: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.instructions < 1 and not self.refused:
            raise ValueError(f"{self.instructions} instructions are no cost")

    @property
    def point(self) -> Point:
        """What was measured."""
        return Point(**{one.name: getattr(self, one.name) for one in fields(Point)})

    @property
    def per_page(self) -> float:
        """Instructions for each base page."""
        return self.instructions / self.pages

    @property
    def passes(self) -> float:
        """How often the list of pages was gone through: references taken for each page."""
        return self.acquired / self.pages

    @property
    def drains_per_gib(self) -> float | None:
        """How often the LRU caches of all processors were drained for each GiB."""
        return None if self.drains is None else self.drains * GIB / (self.mib * MIB)

    @property
    def series(self) -> SeriesKey:
        """What it has in common with points of other sizes."""
        return (self.path, self.kind, self.zone, self.faulted, self.batch)


SeriesKey = tuple[str, str, str, bool, int]
WHOLE = 300 * GIB // PAGE_BYTES
"""The range that is extrapolated to, 300 GiB in pages: what reviewers of the fix had in mind."""


def plan_word(points: Iterable[Point], movable_node: int) -> str:
    """The points as `guests/pin_cost` takes them."""
    nodes = {MOVABLE: movable_node, NORMAL: 0}
    return ",".join(
        f"{p.path}:{p.kind}:{nodes[p.zone]}:{p.faulted:d}:{p.mib}:{p.batch}" for p in points
    )


def parse_measured(points: Sequence[Point], text: str) -> tuple[Cost, ...]:
    """What `guests/pin_cost` wrote, one entry for each of `points`.

    Raises:
        HotremoveError: it is not what was asked for.
    """
    blocks = text.split("point ")[1:]
    if len(blocks) != len(points):
        raise HotremoveError(
            f"{len(blocks)} of {len(points)} points were measured: {text[-200:]!r}"
        )
    return tuple(map(_cost, points, blocks))


@dataclass(frozen=True)
class _Answer:
    """A line of the holder's: pinned, by so many calls and instructions; or which call failed."""

    event: str
    calls: int = 0
    ticks: int = 0
    call: str = ""
    errno: int = 0


def _cost(point: Point, block: str) -> Cost:
    answers, before, after = _read(block)
    pinned = next((one for one in answers if one.event == "pinned"), None)
    failure = next((one for one in answers if one.event == "error"), None)
    if not before or not after or not (pinned or failure):
        raise HotremoveError(f"the point {point} was not measured: {block[-300:]!r}")
    rose = {name: after.get(name, 0) - count for name, count in before.items()}
    return Cost(
        **vars(point),
        instructions=pinned.ticks if pinned else 0,
        calls=pinned.calls if pinned else 0,
        acquired=rose.get("nr_foll_pin_acquired", 0),
        migrated=rose.get("pgmigrate_success", 0),
        drains=rose.get("drains"),
        refused=f"{failure.call}: {os.strerror(failure.errno)}" if failure and not pinned else "",
        moves=bool(before.get("migrates_pins")),
    )


def find_misplaced(costs: Iterable[Cost]) -> tuple[Cost, ...]:
    """Those whose pages cannot have lain in their zone, on a kernel that migrates pins.

    There each page of a pin in ZONE_MOVABLE is migrated, and nothing moves those of other zones.
    """
    looked_at = (cost for cost in costs if cost.moves and cost.faulted and not cost.refused)
    return tuple(
        cost for cost in looked_at if (cost.migrated >= cost.pages) != (cost.zone == MOVABLE)
    )


def _read(block: str) -> tuple[list[_Answer], dict[str, int], dict[str, int]]:
    """The holder's answers, and the counters before and after."""
    answers: list[_Answer] = []
    counts: dict[str, dict[str, int]] = {"before": {}, "after": {}}
    for line in block.splitlines():
        words = line.split()
        if line.startswith("{"):
            answers.append(_answer(line))
        elif len(words) == 3 and words[0] in counts:
            counts[words[0]][words[1]] = int(words[2])
    return answers, counts["before"], counts["after"]


def _answer(line: str) -> _Answer:
    try:
        return shapes.from_json(line, _Answer)
    except ValueError as error:
        raise HotremoveError(f"the holder answered {line!r:.200}: {error}") from error


def by_series(costs: Iterable[Cost]) -> dict[SeriesKey, tuple[Cost, ...]]:
    """Points that differ in size alone, together, by size; those that were refused are left out."""
    found: dict[SeriesKey, list[Cost]] = {}
    for cost in costs:
        if not cost.refused:
            found.setdefault(cost.series, []).append(cost)
    return {key: tuple(sorted(them, key=lambda c: c.pages)) for key, them in found.items()}


@dataclass(frozen=True)
class Estimate:
    """A figure with what it may be, at 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Growth:
    """How the cost grows with the size: as a power of it.

    Attributes:
        exponent: of the number of pages; 1 is linear, more is superlinear.
        at: the mean logarithm of the sizes measured, in pages.
        level: the mean logarithm of their costs.
        spread: the weighted sum of squares of the logarithms of the sizes about `at`.
        noise: how far, at 95 %, a cost's logarithm is off the power law.
        sizes: how many were measured.
    """

    exponent: Estimate
    at: float
    level: float
    spread: float
    noise: float
    sizes: int

    def extrapolate(self, pages: int) -> Estimate:
        """Instructions for a pin of as many pages, with the range of a prediction."""
        away = math.log(pages) - self.at
        value = self.level + self.exponent.value * away
        off = self.noise * math.sqrt(1 + 1 / self.sizes + away**2 / self.spread)
        return Estimate(math.exp(value), math.exp(value - off), math.exp(value + off))


def fit(costs: Sequence[Cost]) -> Growth | None:
    """The growth of a series: a straight line through the logarithms of the costs.

    Each page has the same weight: how the few pages of a small pin happen to lie says little of a
    large one. None for fewer than four sizes, which leave too little to tell an error from.
    """
    if len({cost.pages for cost in costs}) < 4:
        return None
    weights = [len(costs) * cost.pages / sum(c.pages for c in costs) for cost in costs]
    places = [math.log(cost.pages) for cost in costs]
    heights = [math.log(cost.instructions) for cost in costs]
    at, level = fmean(places, weights), fmean(heights, weights)
    away = [place - at for place in places]
    spread = sumprod(weights, (x * x for x in away))
    tilt = sumprod(weights, (x * (h - level) for x, h in zip(away, heights, strict=True))) / spread
    left = [h - level - tilt * x for x, h in zip(away, heights, strict=True)]
    free = len(costs) - 2
    student = _STUDENT[min(free, len(_STUDENT)) - 1]
    noise = student * math.sqrt(sumprod(weights, (r * r for r in left)) / free)
    off = noise / math.sqrt(spread)
    exponent = Estimate(tilt, tilt - off, tilt + off)
    return Growth(exponent, at, level, spread, noise, len(costs))


def sumprod(weights: Iterable[float], values: Iterable[float]) -> float:
    """The sum of the products, as math.sumprod() of Python 3.12."""
    return sum(weight * value for weight, value in zip(weights, values, strict=True))
