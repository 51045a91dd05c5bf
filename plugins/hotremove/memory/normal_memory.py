# SPDX-License-Identifier: Apache-2.0
"""Memory in ZONE_NORMAL, where a pin need not move: what an isolated block of it does to one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import SYSFS
from hotremove.memory.memory_device import MemoryDevice
from hotremove.memory.offline import Offline
from hotremove.memory.page_flags import count_pages
from hotremove.memory.placement import require_placed
from hotremove.memory.removable import End
from hotremove.observe.pagedump import count
from hotremove.observe.pageflags import SLAB
from hotremove.pins.buffer import Buffer
from hotremove.virt.polling import wait_until

# What offline_pages() says where a page of the block cannot be moved (mm/memory_hotplug.c).
_UNMOVABLE = "failure to isolate range"


class NormalMemory(MemoryDevice):
    """As a device has it, but onlined as memory that the kernel may use for anything."""

    zone = "Normal"
    policy = "online_kernel"

    def _prepare(self, guest: Guest) -> None:
        guest.control.write(f"{SYSFS}/auto_online_blocks", self.policy)

    def isolate_shared(
        self, size: int, pin: Callable[[Buffer], object]
    ) -> tuple[Buffer, Buffer, Offline]:
        """Share `size` bytes, pin one of the two mappings, and begin to offline their block.

        Where the kernel has a page of its own in the block, the rest of the block is filled, so
        that the next try is in another. Returns the pinned mapping, the other and the offline.

        Raises:
            NotApplicable: it has one in every block.
            HotremoveError: nothing can be learnt of isolated memory.
        """
        for _ in self.blocks[1:]:
            with suppress(NotApplicable):
                return self._isolate_shared(size, pin)
            self.map(self.size // len(self.blocks))
        return self._isolate_shared(size, pin)

    def _isolate_shared(
        self, size: int, pin: Callable[[Buffer], object]
    ) -> tuple[Buffer, Buffer, Offline]:
        hold, other = self.share(size)
        pin(hold)
        try:
            return hold, other, self.isolate_block_of(hold)
        except NotApplicable:
            hold.unpin()
            raise

    def isolate_block_of(self, hold: Buffer) -> Offline:
        """Begin to offline the block that `hold` lies in, which has to hold that up.

        The block is isolated before the kernel complains of the page that it cannot migrate. Where
        one of the kernel's own pages is in the block, it cannot be isolated at all; or it is, and
        never goes offline: the check passes over pages without references, and slab pages have none
        since 9aec2fb0fd5e (6.14; page_is_unmovable() in mm/page_isolation.c of 7.3).

        Raises:
            NotApplicable: the kernel has put a page of its own there, as it may in ZONE_NORMAL.
            HotremoveError: it lies in more than one, or the offline ended; nothing can be learnt of
                isolated memory.
        """
        block = self._fullest_block(hold.frames())
        require_placed(hold, block.frames)
        self._dmesg_start = self.guest.evidence.size()  # what an earlier try left says no more
        offline = Offline(self.guest, block, self.node, self.counters())
        wait_until(lambda: self._is_migrating() or offline.ends(0), self.deadline, self.guest.check)
        if offline.ends(0) or not self._is_migrating():
            why = ", ".join(self._reasons()) or offline.ending
            told = f"memory{block.index} is not isolated by its offline: {why}"
            raise NotApplicable(told) if _UNMOVABLE in self._reasons() else HotremoveError(told)
        if slabs := count_pages(self.guest.control, [block], SLAB):
            offline.terminate()
            told = f"{count(slabs, 'slab page')} in memory{block.index}, and it was isolated"
            raise NotApplicable(f"{told}: its offline cannot end (9aec2fb0fd5e, 6.14)")
        return offline

    def _offline(self, deadline: float) -> End:
        """The last block first.

        Where blocks come one by one, as virtio-mem's, the first has the struct pages of the others,
        and cannot be isolated at all.
        """
        return self._offline_each(self.blocks[::-1], deadline)

    def _is_migrating(self) -> bool:
        return any(dump.reason == "migration failure" for dump in self._dumps())
