# SPDX-License-Identifier: Apache-2.0
"""Keeps account of a guest's memory over many cycles."""

from __future__ import annotations

from collections.abc import Mapping

from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import count_pins
from hotremove.observe.counters import (
    ISOLATED_ERROR,
    parse_cached_pages,
    parse_meminfo,
    parse_vmstat,
)
from hotremove.observe.memory_account import MemoryAccount
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer
from hotremove.units import MIB

_FILES = ("/proc/vmstat", "/proc/meminfo", "/proc/zoneinfo")
# What the kernel may keep of slabs and page tables: 0.3 MiB were seen after six cycles on 7.3.
_TOLERANCE = 2 * MIB
_REFRESH = "/proc/sys/vm/stat_refresh"
_QUIESCE = f"echo 3 >/proc/sys/vm/drop_caches; echo 1 >/proc/sys/vm/compact_memory; cat {_REFRESH}"


class LeakCheck:
    """Compares what a guest has with what it had when this was made."""

    def __init__(self, guest: Guest) -> None:
        """Take the first account."""
        self.guest = guest
        self._before = self._account()

    def expect_none(self, buffer: Buffer) -> None:
        """End the holder of `buffer`, which has unpinned, and require that nothing stays behind.

        Raises:
            AssertionError: with what does.
        """
        __tracebackhide__ = True
        charged = buffer.status().only("VmPin", "VmLck").values
        buffer.close()
        self._require_none_isolated()
        found = self._account(charged).leaks_since(self._before, _TOLERANCE)
        assert not found, "; ".join(found)

    def _require_none_isolated(self) -> None:
        """Before memory is compacted, which waits for ever while too many pages are isolated.

        (mm/compaction.c, isolate_migratepages_block())
        """
        __tracebackhide__ = True
        self.guest.control.check(f"cat {_REFRESH}")
        now = parse_vmstat(self.guest.control.read("/proc/vmstat")).isolated
        left = now - self._before.isolated
        assert left < ISOLATED_ERROR, f"{left} pages are left isolated"

    def expect_no_pins(self) -> None:
        """Require that as many page references of pins are held as when this was made.

        Raises:
            AssertionError: with how many are left.
        """
        __tracebackhide__ = True
        left = count_pins(self.guest.control) - self._before.pinned
        assert not left, f"{left} page references of pins are left"

    def _account(self, charged: Mapping[str, int] | None = None) -> MemoryAccount:
        control = self.guest.control
        control.check(_QUIESCE)
        vmstat, meminfo, zones = control.read_all(_FILES)
        counters = parse_vmstat(vmstat)
        free = parse_meminfo(meminfo)["MemFree"] + parse_cached_pages(zones) * PAGE_BYTES
        return MemoryAccount(counters.pinned, counters.isolated, free, charged or {})
