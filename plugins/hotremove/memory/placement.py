# SPDX-License-Identifier: Apache-2.0
"""Before anything is asked of a kernel: do the pages lie where the scenario needs them?"""

from __future__ import annotations

from hotremove.errors import HotremoveError, NotApplicable
from hotremove.guest.machine import Guest
from hotremove.guest.memory_blocks import read_blocks
from hotremove.observe.pagemap import PAGE_BYTES, PfnRuns, frames_of
from hotremove.pins.buffer import Buffer
from hotremove.units import MIB


class LiesElsewhere(HotremoveError):
    """A buffer does not lie in the memory that it is to be in: nothing can be learnt of that."""


def require_placed(buffer: Buffer, memory: PfnRuns, faulted: bool = True) -> None:
    """Make sure that all of a buffer's pages lie in `memory`, or that it has none yet.

    Raises:
        LiesElsewhere: not all do.
        HotremoveError: it has some already.
        NotApplicable: the kernel gave other pages than huge ones.
    """
    found = buffer.frames()
    wanted = buffer.size // PAGE_BYTES if faulted else 0
    if not faulted and found:
        raise HotremoveError(f"{found.pages} pages of {buffer} are there before they are touched")
    inside = found.inside(memory)
    if inside < wanted:
        outside = found - memory
        raise LiesElsewhere(f"{inside} of {wanted} pages of {buffer} lie there, others: {outside}")
    if faulted and buffer.kind == "thp":
        _require_huge(buffer)


def require_spilled(buffer: Buffer, memory: PfnRuns) -> None:
    """Make sure that a buffer larger than `memory` takes up half of it at least.

    Raises:
        HotremoveError: it does not.
    """
    inside = buffer.frames().inside(memory)
    if 2 * inside < memory.pages:
        raise HotremoveError(f"{inside} of the memory's {memory.pages} pages are of {buffer}")


def require_in_part(buffer: Buffer, memory: PfnRuns) -> None:
    """Make sure that a quarter of a buffer's pages at least lies in `memory`, and one elsewhere.

    Raises:
        HotremoveError: they do not.
    """
    found = buffer.frames()
    inside, least = found.inside(memory), buffer.size // PAGE_BYTES // 4
    if not least <= inside <= found.pages - least:
        raise HotremoveError(f"{inside} of {found.pages} pages of {buffer} lie in the memory")


def require_alike(buffers: tuple[Buffer, ...]) -> None:
    """Make sure that buffers are made of the same pages.

    Raises:
        HotremoveError: they are not.
    """
    first, *others = (buffer.frames() for buffer in buffers)
    if any(found != first for found in others):
        raise HotremoveError(f"the holders share not all pages of {buffers[0]}")


def require_on_node(guest: Guest, buffer: Buffer, node: int) -> None:
    """Make sure that a buffer's pages lie on a node, and not in ZONE_MOVABLE.

    Raises:
        HotremoveError: they do not.
    """
    blocks = [block for block in read_blocks(guest.control) if block.node == node]
    require_placed(buffer, frames_of(block for block in blocks if block.zone != "Movable"))


def _require_huge(buffer: Buffer) -> None:
    huge = buffer.huge_bytes()
    if huge < buffer.size:
        raise NotApplicable(
            f"{huge // MIB} of {buffer.size // MIB} MiB are in transparent huge pages, "
            "by the holder's smaps_rollup"
        )
