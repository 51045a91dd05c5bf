# SPDX-License-Identifier: Apache-2.0
"""Trace events of what a removal does, held against what the kernel counts."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.observe.counters import Counters, delta, parse_vmstat
from hotremove.observe.pagemap import PfnRuns
from hotremove.observe.trace import LONGTERM_PIN, Trace, parse_trace
from hotremove.pins.pin import Pin
from hotremove.virt.polling import wait_until

_TRACING = "/sys/kernel/tracing"
_TRACE = f"{_TRACING}/trace"
_EVENTS = ("migrate/mm_migrate_pages", "page_isolation/test_pages_isolated")
_CAPABILITY = find("trace events")
# Room for some hundred events on each processor. The usual 1.4 MiB are in no account of the
# kernel's, and would be missed when the books are closed.
_SHRINK = f"echo 64 >{_TRACING}/buffer_size_kb"
# Seconds for a migration that happens just now to be both counted and told.
_SETTLES = 5.0


class TraceEvents:
    """What mm_migrate_pages and test_pages_isolated tell from now on.

    The kernel counts what migrate_pages() did, and fires the event with the same figures
    (mm/migrate.c, 5.10 to 7.3).
    """

    def __init__(self, guest: Guest) -> None:
        """Turn them on.

        Raises:
            CapabilityAbsent: the kernel was built without.
            Blocked: they are not there, though it may have been built with them.
            HotremoveError: pages migrate all the time.
        """
        require(guest, _CAPABILITY)
        self.guest = guest
        enable = [f"echo 1 >{_TRACING}/events/{event}/enable" for event in _EVENTS]
        turned_on = guest.control.run(" && ".join([_SHRINK, *enable]))
        if not turned_on.ok:
            raise refusal(guest, _CAPABILITY, f"no events: {turned_on.complaint}")
        if not wait_until(self._begin, _SETTLES, guest.check):
            raise HotremoveError(f"pages migrate all the time, for {_SETTLES:g} s already")

    def expect_migrated(self, pin: Pin) -> None:
        """Require that an event tells of as many pages that moved for a pin as it has.

        Raises:
            AssertionError: with how many are told of.
        """
        __tracebackhide__ = True
        told = self._read().moved_for(LONGTERM_PIN)
        assert told >= pin.pages, (
            f"mm_migrate_pages tells of {told} pages that moved for a long-term pin (reason "
            f"{LONGTERM_PIN}), of {pin.pages} of {pin.holder}"
        )

    def expect_no_pin(self) -> None:
        """Require that no event tells of pages that moved for a pin.

        Raises:
            AssertionError: with how many are told of.
        """
        __tracebackhide__ = True
        told = self._read().moved_for(LONGTERM_PIN)
        assert not told, f"mm_migrate_pages tells of {told} pages that moved for a pin: of whom?"

    def expect_isolated(self, gone: PfnRuns) -> None:
        """Require that an event tells of all page frames that are gone that they were isolated.

        Raises:
            AssertionError: with those that none tells of.
        """
        __tracebackhide__ = True
        untold = gone - self._read().isolated
        assert not untold, f"test_pages_isolated does not tell of {untold}, which went offline"

    def expect_agreement(self) -> None:
        """Require that events and counters agree on how many pages moved, and how many did not.

        Raises:
            AssertionError: with both.
        """
        __tracebackhide__ = True
        seen = ""

        def agrees() -> bool:
            nonlocal seen
            counted, trace = delta(self._before, self._vmstat()), self._read()
            figures = (counted["pgmigrate_success"], counted["pgmigrate_fail"])
            seen = (
                f"mm_migrate_pages tells of {trace.succeeded} pages that moved and {trace.failed} "
                f"failures, pgmigrate_success and pgmigrate_fail rose by {figures[0]}, {figures[1]}"
            )
            return figures == (trace.succeeded, trace.failed)

        assert wait_until(agrees, _SETTLES, self.guest.check), seen

    def _begin(self) -> bool:
        """Empty the trace while nothing migrates."""
        self._before = self._vmstat()
        self.guest.control.write(_TRACE, "\n")
        return not self._read().migrations and self._vmstat() == self._before

    def _read(self) -> Trace:
        return parse_trace(self.guest.control.read(_TRACE))

    def _vmstat(self) -> Counters:
        return parse_vmstat(self.guest.control.read("/proc/vmstat")).only("pgmigrate_")
