# SPDX-License-Identifier: Apache-2.0
"""Can the pages of a memory block be allocated, all of them?"""

from __future__ import annotations

from collections.abc import Iterable

from hotremove.observe.pagemap import MemoryBlock, PfnRuns

PAGEBLOCK = 512
"""Pages that are isolated, or not, as one: 2 MiB on x86-64 (pageblock_nr_pages)."""
# Pageblocks that a zone's watermarks keep back from user space: 7 were seen of 256. Single ones
# that are isolated are counted exactly, when the books are closed.
_KEPT_BACK = 16


class NotAllocatable(AssertionError):
    """Pages that came back after a failed removal are of no use to anybody."""


def untouched(block: MemoryBlock, used: PfnRuns) -> int:
    """How many pageblocks of a memory block have no page in `used`."""
    return sum(
        not PfnRuns.of([(first, PAGEBLOCK)]) & used
        for start, count in block.frames.runs
        for first in range(start, start + count, PAGEBLOCK)
    )


def require_allocatable(blocks: Iterable[MemoryBlock], used: PfnRuns) -> None:
    """Require that of each block some page of nearly every pageblock is in `used`.

    That is after all that is free was allocated; a few pageblocks the kernel keeps back.

    Raises:
        NotAllocatable: with the block, and how much of it.
    """
    __tracebackhide__ = True
    for block in blocks:
        left = untouched(block, used)
        if left > _KEPT_BACK:
            total = block.frames.pages // PAGEBLOCK
            raise NotAllocatable(
                f"{left * PAGEBLOCK} pages of memory{block.index} ({left} of {total} pageblocks) "
                "cannot be allocated, though it is online"
            )
