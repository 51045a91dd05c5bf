# SPDX-License-Identifier: Apache-2.0
"""A pin that is held, as a value, with what the kernel counted while taking it."""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.observe.counters import Counters
from hotremove.observe.pagemap import PAGE_BYTES, PfnRuns
from hotremove.observe.span import Span
from hotremove.units import MIB


class PinnedInMovable(AssertionError):
    """Pages of a long-term pin lie in ZONE_MOVABLE: what the fix is there to prevent."""


@dataclass(frozen=True)
class Pin:
    """Memory that a process holds in place.

    Attributes:
        path: `rdma`, `vfio`, `uring`, `vmsplice`, `kmod` …
        label: the thing that holds it, `rxe memory region`.
        long_term: whether it was taken with FOLL_LONGTERM, which promises that the kernel
            migrates the pages out of ZONE_MOVABLE first.
        pid: the process.
        size: bytes pinned.
        calls: how many calls took it.
        seconds: how long they took, on the guest's clock.
        frames: the page frames right after the pin, from pagemap.
        counted: how the counters of the memory's node, and the machine's migrations, changed.
        zero_pages: how many of its pages are the shared zero page.
        ended: when the calls had returned, on the guest's CLOCK_MONOTONIC, seconds.
    """

    path: str
    label: str
    long_term: bool
    pid: int
    size: int
    calls: int
    seconds: float
    frames: PfnRuns
    counted: Counters
    ended: float = 0.0
    zero_pages: int = 0

    @property
    def counted_pages(self) -> int:
        """Pages by which `nr_foll_pin_acquired` is ahead of `_released` for as long as it is held.

        The shared zero page is not counted from c8070b787519 on, and not held (mm/gup.c), nor is
        what was not taken with FOLL_PIN.
        """
        return self.pages - self.zero_pages if self.long_term else 0

    @property
    def span(self) -> Span:
        """When it was being taken, on the guest's CLOCK_MONOTONIC, seconds."""
        return self.ended - self.seconds, self.ended

    @property
    def pages(self) -> int:
        """Base pages pinned."""
        return self.size // PAGE_BYTES

    @property
    def migrated(self) -> int:
        """Pages migrated while it was taken, on the whole machine."""
        return self.counted["pgmigrate_success"]

    @property
    def faults(self) -> int:
        """Page faults of the whole machine while it was taken."""
        return self.counted["pgfault"]

    def expect_no_livelock(self) -> None:
        """Require that it was not taken by faulting the same pages in over and over.

        A kernel that faults each page in, migrates it and faults it in again needs two faults a
        page; the commands that read the counters have a few hundred of their own.

        Raises:
            AssertionError: with the number of faults.
        """
        __tracebackhide__ = True
        limit = 2 * self.pages + 2000
        assert self.faults <= limit, f"{self.holder}: {self.faults} page faults, at most {limit}"

    @property
    def holder(self) -> str:
        """Who holds it, in words."""
        article = "an" if self.label.startswith(("rxe", "io", "ib_", "AF_")) else "a"
        return f"pid {self.pid}, {article} {self.label} of {self.size / MIB:g} MiB"

    def expect_unmoved(self) -> None:
        """Require that no page of it had to move.

        One that does is let go on its node, and migrated. Either alone says nothing: migrations are
        counted for the whole machine, which compacts memory now and then, and vfio lets a page go
        and pins it again where the page frames have a gap (5.10, vfio_pin_pages_remote()).

        Raises:
            AssertionError: with the counters that say so.
        """
        __tracebackhide__ = True
        released = self.counted["nr_foll_pin_released"]
        told = f"{released} let go, {self.migrated} migrated"
        assert not min(released, self.migrated), f"pages of {self.holder} had to move: {told}"

    def expect_outside(self, movable: PfnRuns, name: str = "ZONE_MOVABLE") -> None:
        """Require that no page of it lies in `movable`, called `name`; pagemap is the authority.

        Raises:
            PinnedInMovable: with how many pages do, and where.
            AssertionError: pages of it were not looked at.
        """
        __tracebackhide__ = True
        inside = self.frames & movable
        seen = self.frames.pages
        assert seen >= self.pages, (
            f"pagemap shows {seen} of the {self.pages} pages of {self.holder}: "
            "the others were not looked at"
        )
        if inside:
            told = f"{inside.pages} pages of {self.holder} lie in {name}: {inside}"
            raise PinnedInMovable(told)

    def expect_made_of(self, mapped: PfnRuns) -> None:
        """Require that what it pinned are the pages that are `mapped`.

        Raises:
            AssertionError: with both.
        """
        __tracebackhide__ = True
        assert mapped == self.frames, (
            f"the pages of pid {self.pid}, {mapped}, are not those that are pinned, {self.frames}"
        )

    def expect_unseen_in(self, mapped: PfnRuns) -> None:
        """Require that none of its pages is `mapped` by another process, a child.

        Raises:
            AssertionError: with how many are.
        """
        __tracebackhide__ = True
        seen = (mapped & self.frames).pages
        assert not seen, f"the child has {seen} of the pinned pages of {self.holder}"

    def expect_migrated_from(self, movable: PfnRuns) -> None:
        """Require what a fixed kernel does with pages that lay in `movable` before the pin.

        Each is pinned where it lay, found there, let go, migrated, and pinned where it went
        (mm/gup.c, check_and_migrate_movable_pages()): acquired and released rise alike on the
        movable node, by as many pages at least as were pinned.

        Raises:
            PinnedInMovable: pages lie in `movable`.
            AssertionError: with the counters that say otherwise.
        """
        __tracebackhide__ = True
        self.expect_outside(movable)
        acquired, released = (self.counted[f"nr_foll_pin_{n}"] for n in ("acquired", "released"))
        told = f"{self.holder}: acquired {acquired}, released {released}, migrated {self.migrated}"
        assert released >= self.pages, f"pages were not let go on the movable node: {told}"
        assert self.migrated >= self.pages, f"fewer pages migrated than were pinned: {told}"
