# SPDX-License-Identifier: Apache-2.0
"""A guest without room outside the memory that is to be plugged."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_zones, resize_pool
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.units import MIB

_HUGE = 2 * MIB


class MemoryPressure:
    """Free memory put away in the pools of huge pages, which no reclaim takes back.

    Attributes:
        guest: whose memory.
        taken: pool by node, in huge pages.
    """

    def __init__(self, guest: Guest) -> None:
        """Nothing is put away yet."""
        self.guest = guest
        self.taken: dict[int, int] = {}

    def leave(self, left: int) -> None:
        """Put memory away until about `left` bytes are free on all nodes together.

        Raises:
            HotremoveError: more than twice that stays free.
        """
        for node in range(len(self.guest.plan.topology.nodes)):
            spare = self.free(node) - left // 2
            self._resize(node, max(0, spare) // _HUGE)
        free = self.free()
        if free > 2 * left:
            raise HotremoveError(f"{free // MIB} MiB are free, but {left // MIB} MiB were wanted")

    def end(self) -> None:
        """Give all of it back."""
        for node in self.taken:
            self._resize(node, 0)

    def free(self, node: int | None = None) -> int:
        """Free bytes of a node, or of all nodes, that long-term pins can be moved to.

        ZONE_MOVABLE does not count, nor what contiguous memory (CMA) keeps for itself.
        """
        zones = [zone for zone in read_zones(self.guest.control) if zone.name != "Movable"]
        mine = [zone for zone in zones if node is None or zone.node == node]
        return sum(zone.free - zone.counters["nr_free_cma"] for zone in mine) * PAGE_BYTES

    def _resize(self, node: int, count: int) -> None:
        self.taken[node] = resize_pool(self.guest.control, node, count)
