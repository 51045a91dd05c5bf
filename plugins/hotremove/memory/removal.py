# SPDX-License-Identifier: Apache-2.0
"""One attempt to hot-remove memory, with everything seen of it."""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.errors import NotApplicable
from hotremove.memory.explain import explain_page, explain_refusal, explain_stuck
from hotremove.memory.outcome import Outcome
from hotremove.memory.page import frames_of_dump
from hotremove.observe.counters import Counters, delta
from hotremove.observe.pagedump import PageDump
from hotremove.observe.pagemap import PfnRuns
from hotremove.pins.pin import Pin


class UnexpectedOutcome(AssertionError):
    """A removal ended in another way than the scenario asks for; the text is the evidence."""

    def __init__(self, removal: Removal, wanted: str) -> None:
        super().__init__(f"{removal} (expected: {wanted})")
        self.removal = removal


class PinsLost(AssertionError):
    """The kernel counts fewer pinned pages than are pinned: it let go of them by itself."""


@dataclass(frozen=True)
class Removal:
    """What came of asking for memory back.

    Attributes:
        mechanism: `ACPI eject`, `virtio-mem shrink` or `sysfs offline`.
        outcome: how it ended.
        seconds: how long it took, on the host's clock; where it got stuck how long was waited.
        deadline: how long it was given at most, seconds.
        node: the movable node.
        frames: the page frames that were to go.
        pins: the pins held meanwhile.
        before: the node's counters before, and `after` it.
        dumps: page dumps the kernel printed meanwhile, of pages in `frames`.
        migrates_pins: whether the kernel knows the migration reason `longterm_pin`, so has the fix.
        reasons: why offlining failed, each time it did, in the kernel's words.
        remark: what the mechanism itself said: an errno, ACPI's message, what stays plugged, the
            guest's death.
        zone: the zone that the memory is in, as sysfs names it.
        lost_pins: page references of pins that the kernel no longer counts after it, though the
            scenario holds them still.
        raced: whether what was to happen meanwhile did, where a race was asked for.
        poisoned: pages in `frames` that are marked as poisoned, if it got stuck and no page was
            dumped.
    """

    mechanism: str
    outcome: Outcome
    seconds: float
    deadline: float
    node: int
    frames: PfnRuns
    pins: tuple[Pin, ...]
    before: Counters
    after: Counters
    dumps: tuple[PageDump, ...]
    migrates_pins: bool
    remark: str = ""
    reasons: tuple[str, ...] = ()
    zone: str = "Movable"
    lost_pins: int = 0
    raced: bool = False
    poisoned: int = 0

    @property
    def counted(self) -> Counters:
        """How the node's counters changed."""
        return delta(self.before, self.after)

    @property
    def blocking(self) -> PageDump | None:
        """The page that most plainly held it up: the last dumped one, a pinned one if there is."""
        pinned = [dump for dump in self.dumps if self.pin_of(dump)]
        return next(reversed(pinned or list(self.dumps)), None)

    def pin_of(self, dump: PageDump) -> Pin | None:
        """The pin that a dumped page belongs to."""
        folio = frames_of_dump(dump)
        return next((pin for pin in self.pins if folio & pin.frames), None)

    @property
    def suspect(self) -> Pin | None:
        """The pin with most pages in the memory; None if none has any."""
        inside = [pin for pin in self.pins if pin.frames & self.frames]
        return max(inside, key=self.pages_inside, default=None)

    def pages_inside(self, pin: Pin | None) -> int:
        """How many pages of a pin lie in the memory."""
        return pin.frames.inside(self.frames) if pin else 0

    @property
    def shows_missing_fix(self) -> bool:
        """Whether the memory stayed, and long-term pins lay in it."""
        held = any(pin.long_term and pin.frames & self.frames for pin in self.pins)
        return self.outcome in (Outcome.STUCK, Outcome.REFUSED) and held

    def expect(self, wanted: Outcome) -> None:
        """Raise unless it ended as wanted: removed with all pins held, stuck by one of them.

        Raises:
            UnexpectedOutcome: with what happened, why, and what to look at.
            PinsLost: it was removed while the kernel let go of pins.
        """
        __tracebackhide__ = True
        if self.outcome is not wanted:
            raise UnexpectedOutcome(self, wanted)
        if wanted is Outcome.REMOVED and self.lost_pins:
            raise PinsLost(f"{self}, but {self.lost_pins} page references of pins went with it")
        if wanted is Outcome.STUCK and self.pins and not self._holder:
            raise UnexpectedOutcome(self, f"{wanted} by a pin of the scenario")

    def expect_held_up(self) -> None:
        """Require that a pin of the scenario held it up.

        Raises:
            NotApplicable: it was removed under the pin, which this kernel moves out of the way.
            UnexpectedOutcome: it was refused, or stuck by something else.
            PinsLost: it was removed while the kernel let go of pins.
        """
        __tracebackhide__ = True
        if self.outcome is Outcome.REMOVED:
            self.expect(Outcome.REMOVED)
            raise NotApplicable(f"the kernel removed the memory under this pin: {self}")
        self.expect(Outcome.STUCK)

    def expect_reason(self, wanted: str) -> None:
        """Require that the kernel gave this reason for not offlining the memory.

        Raises:
            AssertionError: with the reasons it gave.
        """
        __tracebackhide__ = True
        told = ", ".join(self.reasons) or "no reason"
        assert wanted in self.reasons, f"offlining failed for {told} (expected: {wanted})"

    def expect_page_named(self) -> None:
        """Require that the kernel printed a page of the memory that did not leave.

        Raises:
            AssertionError: it printed none.
        """
        __tracebackhide__ = True
        assert self.blocking, f"no page of the memory is named in the log: {self}"

    def __str__(self) -> str:
        """One line for a maintainer."""
        if self.outcome is Outcome.REMOVED:
            return f"removed: node {self.node} gave its memory back in {self.seconds:.2f} s"
        if self.outcome is Outcome.STUCK:
            return f"stuck: {self._why_stuck()}"
        if self.outcome is Outcome.REFUSED:
            return f"refused: {self._why_refused()}"
        return f"guest-died: {self.remark}"

    @property
    def _holder(self) -> Pin | None:
        """The pin that holds the blocking page; without a dump, the suspect."""
        return self.pin_of(self.blocking) if self.blocking else self.suspect

    @property
    def _place(self) -> str:
        return f"node {self.node}'s ZONE_{self.zone.upper()}"

    def _why_stuck(self) -> str:
        blocking, pin = self.blocking, self._holder
        said = f": {self.remark}" if self.remark else ""
        waited = round(min(self.seconds, self.deadline), 1)
        return explain_stuck(
            f"{self.mechanism} did not end in {waited:g} s{said}",
            self._place,
            blocking,
            pin,
            self.pages_inside(pin),
            self.counted,
            self.migrates_pins,
            self.poisoned,
        )

    def _why_refused(self) -> str:
        page = ""
        if self.blocking:
            page = explain_page(self._place, self.blocking, self.pin_of(self.blocking))
        return explain_refusal(self.mechanism, self.remark, self.reasons, page)


def references_lost(held: int, counted: int, *, steady: bool) -> int:
    """How many page references of pins are gone that should be held.

    Where others pin and unpin all the time (not `steady`), the kernel's two counts are read one
    after the other, and more may have been let go in between than taken: fewer than none are none.
    """
    return max(0, held - (counted if steady else max(0, counted)))
