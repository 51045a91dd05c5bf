# SPDX-License-Identifier: Apache-2.0
"""A guest with swap, and memory that is partly swapped out."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.capability import refusal, require
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_zones
from hotremove.kernels.capabilities import find
from hotremove.memory.page_flags import count_pages
from hotremove.memory.removable import Removable
from hotremove.observe.counters import find_zone, parse_vmstat
from hotremove.observe.pageflags import SWAP_CACHE
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer
from hotremove.units import MIB

# How to make the devices, of so many MiB, and what they are.
_LOOP = "modprobe -q loop; truncate -s {mib}M /run/swap && losetup /dev/loop1 /run/swap"
_ZRAM = "modprobe zram && echo {mib}M >/sys/block/zram0/disksize"
_DEVICES = {
    "loop": ("/dev/loop1", _LOOP, find("swap on a loop device")),
    "zram": ("/dev/zram0", _ZRAM, find("swap on zram")),
}
# Of each so many pages one is read back. The kernel reads as many at a time (vm.page-cluster is 3),
# and leaves the others in the swap cache.
_EVERY = 8
_TRIES = 5


class Swap:
    """Swap on a device of the guest, `loop` or `zram`."""

    def __init__(self, guest: Guest, device: str, mib: int = 48) -> None:
        """Turn on swap of `mib` MiB.

        Raises:
            CapabilityAbsent: the kernel was built without it.
            Blocked: it is not turned on, though the kernel may have been built with it.
        """
        path, make, capability = _DEVICES[device]
        require(guest, capability)
        self.guest = guest
        made = guest.control.run(f"{make.format(mib=mib)} && mkswap {path} && swapon {path}")
        if not made.ok:
            raise refusal(guest, capability, f"no swap on {path}: {made.complaint}")

    def take_out(self, *buffers: Buffer) -> None:
        """Have all pages of buffers written to swap, and none mapped.

        Pages that wait in a processor's batch for their LRU list are not taken out; dropping caches
        works the batches off (fs/drop_caches.c).

        Raises:
            HotremoveError: some are in memory yet.
        """
        before, wanted = self._written(), sum(buffer.size for buffer in buffers) // PAGE_BYTES
        for _ in range(_TRIES):
            self.guest.control.write("/proc/sys/vm/drop_caches", "1")
            for buffer in buffers:
                buffer.advise("pageout")
            left = sum(buffer.frames().pages for buffer in buffers)
            if not left and self._written() - before >= wanted:
                return
        written = self._written() - before
        raise HotremoveError(f"{written} of {wanted} pages went to swap, {left} are mapped")

    def take_out_in_part(self, memory: Removable, *buffers: Buffer) -> None:
        """Have pages of buffers in swap, some mapped again, and others in the swap cache.

        Raises:
            HotremoveError: too few of them lie in `memory` and are in the swap cache.
        """
        self.take_out(*buffers)
        for buffer in buffers:
            buffer.touch(every=_EVERY)
        cached = count_pages(self.guest.control, memory.blocks, SWAP_CACHE)
        wanted = sum(buffer.size for buffer in buffers) // PAGE_BYTES // 4
        if cached < wanted:
            raise HotremoveError(f"{cached} pages of the memory are in the swap cache, of {wanted}")

    def _written(self) -> int:
        return parse_vmstat(self.guest.control.read("/proc/vmstat"))["pswpout"]


class ZramSwap(Swap):
    """Swap in compressed memory; what holds it (zsmalloc) lies in ZONE_MOVABLE too."""

    def __init__(self, guest: Guest) -> None:
        """Turn it on; see `Swap`."""
        super().__init__(guest, "zram")

    def fill(self, memory: Removable, size: int) -> Buffer:
        """Map and swap out `size` bytes of data, whose compressed pages lie in `memory`.

        The data is the pattern 1. zsmalloc's pages come from where the process that swaps out has
        its memory (mm/zsmalloc.c, alloc_zspage()).

        Raises:
            HotremoveError: too few of zsmalloc's pages lie there.
        """
        buffer = memory.map(size, by_process=True)
        buffer.fill(1)
        self.take_out(buffer)
        zone = find_zone(read_zones(self.guest.control), memory.node, memory.zone)
        found, wanted = zone.counters["nr_zspages"], size // PAGE_BYTES // 2
        if found < wanted:
            told = f"{found} pages of zsmalloc lie in the memory, of {wanted} that are wanted"
            raise HotremoveError(f"{told} for {size // MIB} MiB")
        return buffer
