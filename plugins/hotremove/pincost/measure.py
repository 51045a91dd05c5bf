# SPDX-License-Identifier: Apache-2.0
"""What pins cost, measured in guests whose clock counts instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.machine import Guest
from hotremove.guest.plan import BootTask, GuestPlan
from hotremove.pincost.model import (
    Cost,
    Growth,
    Point,
    find_misplaced,
    fit,
    parse_measured,
    plan_word,
)
from hotremove.pins.registry import pin_paths

TOPOLOGY = "icount"
"""What the guests look like."""
_MARK = "hotremove: measured"
_RESULTS = "/run/hotremove/cost"
# The kernel's command line has 2048 characters (COMMAND_LINE_SIZE of x86), a point takes up to 25.
_POINTS_A_GUEST = 64
# Seconds for a MiB that is faulted in, pinned and migrated: 0.05 on a quiet machine.
_SECONDS_A_MIB = 1.0
_WARM_UP_MIB = 32


@dataclass(frozen=True)
class Costs:
    """Points that were measured in one go."""

    all: tuple[Cost, ...]

    def __iter__(self) -> Iterator[Cost]:
        return iter(self.all)

    def of(self, **wanted: object) -> Costs:
        """Those with these attributes: `costs.of(path="rdma", zone=MOVABLE)`."""
        fits = (c for c in self.all if all(getattr(c, k) == v for k, v in wanted.items()))
        return Costs(tuple(sorted(fits, key=lambda cost: cost.pages)))

    @property
    def per_page(self) -> float:
        """Instructions for each page of the largest."""
        return self.largest.per_page

    @property
    def largest(self) -> Cost:
        """The one with most pages."""
        return max(self.all, key=lambda cost: cost.pages)

    @property
    def migrated(self) -> bool:
        """Whether the kernel moved all pages of the largest."""
        return self.largest.migrated >= self.largest.pages

    def growth(self) -> Growth:
        """How they grow with the size.

        Raises:
            AssertionError: there are fewer than four sizes.
        """
        __tracebackhide__ = True
        found = fit(self.all)
        assert found, f"{len(self.all)} sizes show no growth"
        return found

    def expect_same_as(self, other: Costs) -> None:
        """Require the same figures, to the instruction.

        Raises:
            AssertionError: with the first that differ.
            NotApplicable: instructions alone differ, which is QEMU's doing: 7.2 repeats exactly on
                however busy a machine, 10.0 does not on a busy one.
        """
        __tracebackhide__ = True
        inexact = ""
        for mine, its in zip(self, other, strict=True):
            pairs = ((name, old, vars(mine)[name]) for name, old in vars(its).items())
            apart = {name: f"{name} {old}, now {new}" for name, old, new in pairs if old != new}
            told = f"{its}, {its.mib} MiB, measured again: {', '.join(apart.values())}"
            assert apart.keys() <= {"instructions"}, told
            inexact = inexact or (told if apart else "")
        if inexact:
            raise NotApplicable(f"this QEMU does not repeat to the instruction: {inexact}")

    def expect_linear(self, tolerance: float) -> None:
        """Require that the exponent of the size is 1, or less than `tolerance` away from it.

        Raises:
            AssertionError: with the figures.
        """
        __tracebackhide__ = True
        exponent = self.growth().exponent.value
        told = ", ".join(f"{cost.mib} MiB: {cost.per_page:.0f}" for cost in self.all)
        assert abs(exponent - 1) <= tolerance, (
            f"the cost grows as the {exponent:.3f}th power of the size; instructions a page: {told}"
        )

    def expect_drains(self, at_most: int) -> None:
        """Require at most so many calls of lru_add_drain_all() for each GiB, where they count.

        Kernels that drain for each batch of 512 pages make 512 and one a pin (mm/gup.c, 6.1.155 to
        6.12.110); one for each page would make 262,144.

        Raises:
            AssertionError: there were more.
        """
        __tracebackhide__ = True
        for cost in self.all:
            drains = cost.drains_per_gib or 0
            told = f"{drains:,.0f} calls of lru_add_drain_all() for each GiB of {cost.mib} MiB"
            assert drains <= at_most, f"{told}, at most {at_most:,}"


class PinCost:
    """Measures pins on one kernel.

    >>> costs = pin_cost.measure(Point(path="rdma", mib=mib) for mib in (8, 16, 32, 64))

    Attributes:
        fresh: what this test measured itself.
    """

    def __init__(
        self,
        plan: GuestPlan,
        lend: Callable[[GuestPlan], Guest],
        known: dict[str, tuple[Cost, ...]],
    ) -> None:
        """Guests come from `lend`; `known` holds what this run has measured already."""
        self._plan = plan
        self._lend = lend
        self._known = known
        self.fresh: tuple[Cost, ...] = ()

    def measure(self, points: Iterable[Point]) -> Costs:
        """The points' costs; measured once in a run, since they are the same each time.

        Raises:
            CapabilityAbsent: the kernel was built without a pin path.
            Blocked: a driver's module is missing among its files.
            GuestDied, GuestLost: the guest did not come to its end.
        """
        wanted = tuple(points)
        key = f"{self._plan.key} {wanted}"
        if key not in self._known:
            self._known[key] = self.measure_afresh(wanted).all
        return Costs(self._known[key])

    def measure_afresh(self, points: Iterable[Point]) -> Costs:
        """The same, measured in new guests whatever is known.

        Raises:
            HotremoveError: pages did not lie in the zone that was asked for.
        """
        wanted = tuple(points)
        for path in dict.fromkeys(point.path for point in wanted):
            for capability in pin_paths()[path].capabilities:
                self._plan.image.require(capability)
        starts = range(0, len(wanted), _POINTS_A_GUEST)
        parts = [self._measure(wanted[start : start + _POINTS_A_GUEST]) for start in starts]
        self.fresh = tuple(cost for part in parts for cost in part)
        for cost in find_misplaced(self.fresh):
            raise HotremoveError(
                f"{cost.migrated} of {cost.pages} pages of {cost} were migrated: "
                f"they did not lie in ZONE_{cost.zone.upper()}"
            )
        return Costs(self.fresh)

    def _measure(self, points: Sequence[Point]) -> tuple[Cost, ...]:
        """One guest's worth of points, after a pin by each path that finds its caches cold."""
        paths = dict.fromkeys(point.path for point in points)
        everything = (*(Point(path=path, mib=_WARM_UP_MIB) for path in paths), *points)
        word = f"hotremove.cost={plan_word(everything, self._plan.topology.movable_node)}"
        seconds = _SECONDS_A_MIB * sum(point.mib for point in everything)
        guest = self._lend(self._plan.with_boot_task(BootTask(word, _MARK, seconds)))
        return parse_measured(everything, guest.control.read(_RESULTS))[len(paths) :]
