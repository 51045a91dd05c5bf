# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of all the pages of some memory, whoever has them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from hotremove.errors import HotremoveError
from hotremove.guest.control import Control
from hotremove.observe.pagemap import MemoryBlock

_FILE = "/proc/kpageflags"
_BYTES = 8


def count_pages(control: Control, blocks: Iterable[MemoryBlock], flag: int) -> int:
    """How many pages of memory blocks have a flag, one of hotremove.observe.pageflags.

    Raises:
        HotremoveError: the kernel does not tell of them all.
    """
    return sum(
        flags >> flag & 1
        for block in blocks
        for first, count in block.frames.runs
        for flags in _read(control, first, count)
    )


def _read(control: Control, first: int, count: int) -> array[int]:
    """Of `count` pages; `first` is a multiple of it, as of a block's pages."""
    size = count * _BYTES
    read = control.run(f"dd if={_FILE} bs={size} skip={first * _BYTES // size} count=1 2>/dev/null")
    if len(read.stdout) != size:
        told = f"{_FILE} gives {len(read.stdout)} bytes for the {count} pages from {first:#x} on"
        raise HotremoveError(told)
    return array("Q", read.stdout)
