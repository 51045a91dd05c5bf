# SPDX-License-Identifier: Apache-2.0
"""Several DIMMs on the movable node, with memory mapped on each."""

from __future__ import annotations

from collections.abc import Iterator

from hotremove.errors import HotremoveError
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_zones, resize_pool
from hotremove.memory.allocatable import PAGEBLOCK
from hotremove.memory.dimm import Dimm
from hotremove.memory.removable import DEADLINE
from hotremove.memory.removal import Removal
from hotremove.observe.counters import find_zone
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer


class Dimms:
    """DIMMs that are plugged one after the other.

    Attributes:
        buffers: memory that is mapped on them; most of each lies on the DIMM of its number.
    """

    def __init__(
        self,
        guest: Guest,
        count: int,
        mib: int,
        mapped: int,
        deadline: float = DEADLINE,
        removals: list[Removal] | None = None,
    ) -> None:
        """Plug `count` DIMMs of `mib` MiB, and map `mapped` bytes on each before the next comes.

        A pool of huge pages keeps what is free on one from who maps memory on the next, and is
        given up at the end.

        Raises:
            HotremoveError: memory lies elsewhere; and what `Dimm` raises.
        """
        self.guest = guest
        self.node = guest.plan.topology.movable_node
        self.buffers: list[Buffer] = []
        self._dimms: list[Dimm] = []
        pool = 0
        for number in range(count):
            alias = f"ua-dimm{number}"
            dimm = Dimm(guest, self.node, mib, deadline, removals, alias)
            dimm.buffers = self.buffers  # each is pinned by all
            self._dimms.append(dimm)
            self._map(dimm, mapped)
            pool += self._free_pageblocks()
            resize_pool(guest.control, self.node, pool)
        resize_pool(guest.control, self.node, 0)

    def __iter__(self) -> Iterator[Dimm]:
        """The DIMMs, the one in the middle first."""
        middle = len(self._dimms) // 2
        yield self._dimms[middle]
        yield from (dimm for dimm in self._dimms if dimm is not self._dimms[middle])

    def _map(self, dimm: Dimm, size: int) -> None:
        buffer = Buffer(self.guest, size, self.node)
        self.buffers.append(buffer)
        inside = buffer.frames().inside(dimm.frames)
        if 2 * inside * PAGE_BYTES < size:
            raise HotremoveError(f"{inside} pages of {buffer} lie on {dimm.alias}: not even half")

    def _free_pageblocks(self) -> int:
        zone = find_zone(read_zones(self.guest.control), self.node, "Movable")
        return zone.free // PAGEBLOCK
