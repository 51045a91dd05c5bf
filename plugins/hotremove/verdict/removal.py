# SPDX-License-Identifier: Apache-2.0
"""One attempt to hot-remove memory, with everything seen of it."""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.observe.counters import Counters, delta
from hotremove.observe.pagedump import PageDump
from hotremove.observe.pagemap import PfnRuns
from hotremove.pins.pin import Pin
from hotremove.verdict.explain import explain_refusal, explain_stuck
from hotremove.verdict.outcome import Outcome


class UnexpectedOutcome(AssertionError):
    """A removal ended in another way than the scenario asks for; the text is the evidence."""

    def __init__(self, removal: Removal, wanted: Outcome) -> None:
        super().__init__(f"{removal} (expected: {wanted})")
        self.removal = removal


@dataclass(frozen=True)
class Removal:
    """What came of asking for memory back.

    Attributes:
        mechanism: `ACPI eject` or `sysfs offline`.
        outcome: how it ended.
        seconds: how long it took, on the host's clock; at most the deadline.
        deadline: how long it was given, seconds.
        node: the movable node.
        frames: the page frames that were to go.
        pins: the pins held meanwhile.
        before: the node's counters before, and `after` it.
        dumps: page dumps the kernel printed meanwhile, of pages in `frames`.
        migrates_pins: whether the kernel knows the migration reason `longterm_pin`, so has the fix.
        reasons: why offlining failed, each time it did, in the kernel's words.
        remark: what the mechanism itself said: an errno, ACPI's message, the guest's death.
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
        if dump.pfn is None:
            return None
        return next((pin for pin in self.pins if dump.pfn in pin.frames), None)

    @property
    def shows_missing_fix(self) -> bool:
        """Whether the memory stayed, and long-term pins lay in it."""
        held = any(pin.long_term and pin.frames & self.frames for pin in self.pins)
        return self.outcome in (Outcome.STUCK, Outcome.REFUSED) and held

    def expect(self, wanted: Outcome) -> None:
        """Raise unless it ended as wanted.

        Raises:
            UnexpectedOutcome: with what happened, why, and what to look at.
        """
        __tracebackhide__ = True
        if self.outcome is not wanted:
            raise UnexpectedOutcome(self, wanted)

    def expect_reason(self, wanted: str) -> None:
        """Require that the kernel gave this reason for not offlining the memory.

        Raises:
            AssertionError: with the reasons it gave.
        """
        __tracebackhide__ = True
        told = ", ".join(self.reasons) or "no reason"
        assert wanted in self.reasons, f"offlining failed for {told} (expected: {wanted})"

    def __str__(self) -> str:
        """One line for a maintainer."""
        if self.outcome is Outcome.REMOVED:
            return f"removed: node {self.node} gave its memory back in {self.seconds:.2f} s"
        if self.outcome is Outcome.STUCK:
            return f"stuck: {self._why()}"
        if self.outcome is Outcome.REFUSED:
            return f"refused: {explain_refusal(self.mechanism, self.remark, self.reasons)}"
        return f"guest-died: {self.remark}"

    def _why(self) -> str:
        blocking = self.blocking
        pin = self.pin_of(blocking) if blocking else None
        return explain_stuck(
            f"{self.mechanism} did not end in {self.deadline:g} s",
            self.node,
            blocking,
            pin or next(iter(self.pins), None),
            self.counted,
            self.migrates_pins,
        )
