# SPDX-License-Identifier: Apache-2.0
"""Anonymous folios larger than a page and smaller than a huge page (mTHP, from 6.8 on)."""

from __future__ import annotations

import re

from hotremove.errors import CapabilityAbsent, NotApplicable
from hotremove.guest.machine import Guest
from hotremove.memory.removable import Removable
from hotremove.observe.pageflags import FOLIO_HEAD
from hotremove.pins.buffer import Buffer

_SYSFS = "/sys/kernel/mm/transparent_hugepage"
_HUGE = 2048


class LargeFolios:
    """The sizes that a kernel has.

    Attributes:
        sizes: in bytes, ascending.
    """

    def __init__(self, guest: Guest) -> None:
        """Ask the kernel.

        Raises:
            CapabilityAbsent: it has no such folios.
        """
        self.guest = guest
        listed = guest.control.run(f"ls {_SYSFS}/*/enabled").text
        found = sorted(int(kib) for kib in re.findall(r"hugepages-(\d+)kB", listed))
        self.sizes = [kib << 10 for kib in found if kib < _HUGE]
        if not self.sizes:
            told = f"no {_SYSFS}/hugepages-64kB/enabled"
            raise CapabilityAbsent(f"no folios between a page and a huge page: {told}")

    def map(self, memory: Removable, size: int, folio: int) -> Buffer:
        """Map `size` bytes made of folios of `folio` bytes.

        Raises:
            NotApplicable: some are made of others.
        """
        for kib in (*(one >> 10 for one in self.sizes), _HUGE):
            choice = "madvise" if kib << 10 == folio else "never"
            self.guest.control.write(f"{_SYSFS}/hugepages-{kib}kB/enabled", choice)
        buffer = memory.map(size, "mthp")
        heads = buffer.pages_with(FOLIO_HEAD)
        if heads * folio != size:
            raise NotApplicable(f"{heads} folios of {folio >> 10} KiB make {size >> 10} KiB")
        return buffer
