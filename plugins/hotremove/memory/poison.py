# SPDX-License-Identifier: Apache-2.0
"""Pages that the kernel must not use any more, as after a failure of the hardware."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.memory.page_flags import count_pages
from hotremove.memory.removable import Removable
from hotremove.observe.counters import parse_meminfo
from hotremove.observe.pageflags import POISONED
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer


class Poison:
    """Poisons pages by madvise(2) (mm/memory-failure.c)."""

    def __init__(self, guest: Guest) -> None:
        """Nothing is poisoned yet.

        Raises:
            CapabilityAbsent: the kernel was built without it.
        """
        require(guest, find("poisoned pages"))
        self.guest = guest

    def poison(self, memory: Removable, buffer: Buffer, how: str, offset: int = 0) -> None:
        """Poison the page at `offset` in a buffer: `hwpoison` as failed, `soft-offline` as failing.

        The data of one that is failing moves to another page.

        Raises:
            PinRefused: madvise's errno.
            HotremoveError: no page of `memory` is poisoned after that.
        """
        buffer.advise(how, offset, PAGE_BYTES)
        if not count_pages(self.guest.control, memory.blocks, POISONED):
            raise HotremoveError(f"no page of the memory is poisoned after {how} of {buffer}")

    def counted(self) -> int:
        """What the kernel counts as poisoned, in bytes."""
        return parse_meminfo(self.guest.control.read("/proc/meminfo"))["HardwareCorrupted"]
