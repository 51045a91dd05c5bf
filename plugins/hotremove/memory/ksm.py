# SPDX-License-Identifier: Apache-2.0
"""Pages that the kernel merges because they are alike (mm/ksm.c)."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.observe.pageflags import MERGED
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer
from hotremove.virt.polling import wait_until

_SYSFS = "/sys/kernel/mm/ksm"
# Seconds. A page is merged when it is met the third time; a round over some MiB takes a second.
_DEADLINE = 60.0


class Ksm:
    """The kernel's merging of pages, off but while `merge` waits for it."""

    def __init__(self, guest: Guest) -> None:
        """Nothing is merged yet.

        Raises:
            CapabilityAbsent: the kernel was built without it.
        """
        require(guest, find("merged pages"))
        self.guest = guest

    def merge(self, *buffers: Buffer) -> None:
        """Fill buffers with the pattern 1, and have each page merged with that of the others.

        Raises:
            HotremoveError: some page was not in time.
        """
        for buffer in buffers:
            buffer.fill(1)
            buffer.advise("mergeable")
        self._write(pages_to_scan=2000, sleep_millisecs=20, run=1)
        merged = wait_until(lambda: all(map(_is_merged, buffers)), _DEADLINE, self.guest.check)
        self._write(run=0)
        if not merged:
            counts = ", ".join(str(buffer.pages_with(MERGED)) for buffer in buffers)
            raise HotremoveError(f"{counts} pages were merged in {_DEADLINE:g} s")

    def _write(self, **values: int) -> None:
        for name, value in values.items():
            self.guest.control.write(f"{_SYSFS}/{name}", str(value))


def _is_merged(buffer: Buffer) -> bool:
    return buffer.pages_with(MERGED) == buffer.size // PAGE_BYTES
