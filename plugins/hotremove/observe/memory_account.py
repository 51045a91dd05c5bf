# SPDX-License-Identifier: Apache-2.0
"""What has to be as it was when all that was taken is given back: pins, isolated pages, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hotremove.observe.counters import ISOLATED_ERROR
from hotremove.units import MIB


@dataclass(frozen=True)
class MemoryAccount:
    """A machine's account at one instant.

    Attributes:
        pinned: page references that FOLL_PIN holds.
        isolated: pages taken off the LRU lists.
        free: bytes free for whoever wants them, once caches are dropped.
        accounted: bytes that a process is charged with, by the kind of account (VmPin, VmLck).
    """

    pinned: int
    isolated: int
    free: int
    accounted: Mapping[str, int]

    def leaks_since(self, before: MemoryAccount, tolerance: int) -> list[str]:
        """What is missing or left over, in words; `tolerance` bytes of memory may be.

        Pins and charges are exact. Memory is not: the kernel keeps what it may want again.
        """
        found = [
            f"{name} is {size} bytes with nothing pinned"
            for name, size in self.accounted.items()
            if size
        ]
        if self.pinned != before.pinned:
            found.append(f"{self.pinned - before.pinned} page references of pins are left")
        if self.isolated - before.isolated >= ISOLATED_ERROR:
            found.append(f"{self.isolated - before.isolated} pages are left isolated")
        if before.free - self.free > tolerance:
            found.append(f"{(before.free - self.free) / MIB:.1f} MiB of free memory are gone")
        return found
