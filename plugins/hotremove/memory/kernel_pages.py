# SPDX-License-Identifier: Apache-2.0
"""Memory that the kernel takes for itself, and nobody can move."""

from __future__ import annotations

from hotremove.errors import HotremoveError
from hotremove.guest.machine import Guest
from hotremove.memory.page_flags import count_pages
from hotremove.memory.removable import Removable
from hotremove.observe.counters import parse_meminfo
from hotremove.observe.pageflags import PAGE_TABLE
from hotremove.observe.pagemap import PAGE_BYTES
from hotremove.pins.buffer import Buffer
from hotremove.units import MIB

# A page table maps 2 MiB. Reading a page that was never written maps the page of zeroes, so that
# nothing but tables is allocated.
_MAPPED = 512 * MIB
_PAGES = 2 * MIB // PAGE_BYTES
_LEAST = _MAPPED // (2 * MIB) // 2
# Two pageblocks, which are allocated as one where memory is whole.
_AHEAD = 4 * MIB


class KernelPages:
    """Page tables; they come from where the process has its memory."""

    def __init__(self, guest: Guest) -> None:
        """None is taken yet."""
        self.guest = guest

    def take_on(self, node: int) -> Buffer:
        """Have the kernel take a MiB of a node for the page tables of a process, which is returned.

        Raises:
            HotremoveError: it takes less than half of that.
        """
        before = self._tables(node)
        mapped = Buffer(self.guest, _MAPPED, node, faulted=False, by_process=True)
        mapped.touch(every=_PAGES)
        if (taken := self._tables(node) - before) < _LEAST * PAGE_BYTES:
            raise HotremoveError(f"the kernel took {taken} bytes of node {node} for page tables")
        return mapped

    def take_from(self, memory: Removable) -> Buffer:
        """As `take_on`, of the node of `memory`, some of which has to be taken.

        Its first block and the beginning of the next are mapped before, so that isolating the block
        that the kernel then takes from begins well, and has something to undo when it fails.

        Raises:
            HotremoveError: it is not.
        """
        memory.map(memory.size // len(memory.blocks) + _AHEAD)
        mapped = self.take_on(memory.node)
        if not self.count_in(memory):
            raise HotremoveError("the kernel took no page of the memory for page tables")
        return mapped

    def count_in(self, memory: Removable) -> int:
        """How many pages of `memory` are page tables."""
        return count_pages(self.guest.control, memory.blocks, PAGE_TABLE)

    def _tables(self, node: int) -> int:
        """Bytes of a node that are page tables."""
        text = self.guest.control.read(f"/sys/devices/system/node/node{node}/meminfo")
        return parse_meminfo(text)["PageTables"]
