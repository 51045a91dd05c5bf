# SPDX-License-Identifier: Apache-2.0
"""An area for contiguous memory (CMA): lent to movable pages until somebody wants all of it."""

from __future__ import annotations

import re

from hotremove.errors import Blocked, HotremoveError
from hotremove.guest.capability import require
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import resize_pool
from hotremove.kernels.capabilities import find
from hotremove.observe.pagemap import PAGE_BYTES, PfnRuns
from hotremove.pins.buffer import Buffer
from hotremove.units import GIB
from hotremove.virt.polling import wait_until

_NODE = 0
# mm/hugetlb.c, later mm/hugetlb_cma.c, hugetlb_cma_reserve().
_RESERVED = f"hugetlb_cma: reserved 1024 MiB on node {_NODE}"
# mm/cma.c, until 6.14; cma_declare_contiguous_multi() tells of no place.
_PLACE = re.compile(r"cma: Reserved 1024 MiB at (0x[0-9a-f]+)")
# Seconds. A page that somebody holds for a moment makes an allocation fail.
_DEADLINE = 20.0


class ContiguousArea:
    """An area of 1 GiB on node 0, reserved at boot for huge pages (hugetlb_cma=).

    It is where the kernel says, or as low as it can be beyond 4 GiB, where the topology has room.

    Attributes:
        frames: its page frames.
        name: what a message calls it.
    """

    name = "the area for contiguous memory"

    def __init__(self, guest: Guest) -> None:
        """Find it, by what the kernel said at boot.

        Raises:
            CapabilityAbsent: the kernel was built without CMA.
            Blocked: the topology reserves none, or the kernel did not.
        """
        require(guest, find("contiguous memory"))
        self.guest = guest
        said = guest.control.run("dmesg | grep 'cma: '").text
        if _RESERVED not in said:
            given = f"topology {guest.plan.topology.name} gives none of 1 GiB"
            raise Blocked(f"{given} for contiguous memory: choose one that has hugetlb_cma=")
        place = _PLACE.search(said)
        self.frames = PfnRuns.of_bytes(int(place[1], 16) if place else 4 * GIB, GIB)

    def map(self, size: int) -> Buffer:
        """Map and fault memory on node 0, which the kernel takes from the area first.

        It does as long as more than half of what is free lies there (mm/page_alloc.c, __rmqueue()).

        Raises:
            HotremoveError: less than half of it lies there.
        """
        buffer = Buffer(self.guest, size, _NODE)
        inside = (buffer.frames() & self.frames).pages
        if 2 * inside * PAGE_BYTES < size:
            raise HotremoveError(f"only {inside} pages of {buffer} lie in {self.name}")
        return buffer

    def expect_allocatable(self) -> None:
        """Require that all of it can be allocated at once, as one huge page, and give it back.

        Raises:
            AssertionError: it cannot.
            Blocked: the processor has no such pages.
        """
        __tracebackhide__ = True
        allocated = wait_until(lambda: self._resize(1) == 1, _DEADLINE, self.guest.check)
        self._resize(0)
        assert allocated, f"{self.frames.pages} pages of {self.name} cannot be allocated at once"

    def _resize(self, count: int) -> int:
        return resize_pool(self.guest.control, _NODE, count, 1 << 20)
