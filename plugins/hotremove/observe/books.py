# SPDX-License-Identifier: Apache-2.0
"""What has to add up once all that was pinned is released: the books of a machine."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hotremove.observe.counters import Counters, Zone, parse_cached_pages
from hotremove.observe.pagemap import PAGE_BYTES, MemoryBlock, PfnRuns
from hotremove.units import MIB

TOLERANCE = MIB
"""Bytes that may be in no account: what drivers take as pages, and what CPUs have yet to count.
0.5 MiB were seen at most, with a filesystem mounted; 0.1 without one."""

MACHINE = "the machine"
"""The name of all nodes together."""

ZoneName = tuple[int, str]
"""A node's number and the zone's name."""

# All that /proc/meminfo says is free or in use (Documentation/filesystems/proc.rst); what is part
# of another line is left out. Older kernels lack SecPageTables and Percpu.
_ACCOUNTED = (
    *("MemFree", "Buffers", "Cached", "SwapCached", "AnonPages", "Slab", "KernelStack"),
    *("PageTables", "SecPageTables", "VmallocUsed", "Percpu", "Hugetlb"),
)
# struct page of a kernel without debugging (include/linux/mm_types.h), one for each page.
_STRUCT_PAGE = 64
_ACQUIRED, _RELEASED = "nr_foll_pin_acquired", "nr_foll_pin_released"
_TYPES = re.compile(r"^Number of blocks type +(.*)$", re.MULTILINE)
_TYPE_COUNTS = re.compile(r"^Node (\d+), zone +(\S+)((?: +\d+)+) *$", re.MULTILINE)


@dataclass(frozen=True)
class Books:
    """A machine's books at one instant.

    Attributes:
        pins: the counters of pins of each node and of the machine, by the name of either.
        isolated: pages taken off the LRU lists.
        zones: all of them.
        blocks: the memory blocks.
        isolated_blocks: how many pageblocks are isolated, by zone; None: the kernel does not tell.
        unaccounted: bytes that are neither free nor in any account of the kernel's.
        away: nodes that can come and are not there.
    """

    pins: Mapping[str, Counters] = field(hash=False)
    isolated: int
    zones: tuple[Zone, ...]
    blocks: tuple[MemoryBlock, ...]
    isolated_blocks: Mapping[ZoneName, int] | None = field(hash=False)
    unaccounted: int
    away: frozenset[int] = frozenset()

    @property
    def in_motion(self) -> tuple[MemoryBlock, ...]:
        """Blocks that are on their way from one state to the other."""
        return tuple(block for block in self.blocks if block.state not in ("online", "offline"))


def find_errors(before: Books, after: Books, partial: bool = False, mapped: int = 0) -> list[str]:
    """What does not add up, a line each, naming the counter, where, the expected and the seen.

    `partial`: memory comes and goes in parts of a block (virtio-mem), so that an online block's
    pages need not all be given to the page allocator.
    `mapped`: bytes of page tables beside the struct page that each page of new memory takes.
    """
    return [
        *_pin_errors(before, after),
        *_isolation_errors(before, after),
        *_zone_errors(before, after, partial),
        *_memory_errors(before, after, _STRUCT_PAGE + mapped),
    ]


def count_unaccounted(meminfo: Counters, zoneinfo: str) -> int:
    """Bytes of a machine's memory that are neither free nor accounted for anything.

    A page that somebody still holds after its last user unmapped it is among them.
    """
    known = sum(meminfo[name] for name in _ACCOUNTED)
    return meminfo["MemTotal"] - known - parse_cached_pages(zoneinfo) * PAGE_BYTES


def parse_isolated_blocks(pagetypeinfo: str) -> dict[ZoneName, int] | None:
    """How many pageblocks of each zone are isolated, from /proc/pagetypeinfo.

    None where the kernel was built without CONFIG_MEMORY_ISOLATION, or the text has no such count.
    """
    head = _TYPES.search(pagetypeinfo)
    if not head or "Isolate" not in head[1].split():
        return None
    column = head[1].split().index("Isolate")
    rows = _TYPE_COUNTS.finditer(pagetypeinfo, head.end())
    return {(int(row[1]), row[2]): int(row[3].split()[column]) for row in rows}


def _pin_errors(before: Books, after: Books) -> Iterator[str]:
    for place, counters in after.pins.items():
        if place not in before.pins:
            continue  # a node that came meanwhile; the machine's own counters have it
        acquired, released = (counters[n] - before.pins[place][n] for n in (_ACQUIRED, _RELEASED))
        if acquired != released:
            yield (
                f"{place}: {released:,} of {acquired:,} pins released "
                f"({_RELEASED} {counters[_RELEASED]:,}, {_ACQUIRED} {counters[_ACQUIRED]:,}, "
                f"held before: {before.pins[place].pinned:,})"
            )


def _isolation_errors(before: Books, after: Books) -> Iterator[str]:
    now, then = _isolated(before, after)
    if now != then:
        yield (
            f"{MACHINE}: {now:,} pages are isolated with nothing going on "
            f"(nr_isolated_anon and _file), {then:,} before"
        )
    if before.isolated_blocks is None or after.isolated_blocks is None:
        return
    for zone, count in after.isolated_blocks.items():
        expected = before.isolated_blocks.get(zone, 0)
        if count > expected:
            yield (
                f"{_place(zone)}: {count} pageblocks stay isolated (/proc/pagetypeinfo), "
                f"{expected} before: their pages cannot be allocated"
            )


def _isolated(before: Books, after: Books) -> tuple[int, int]:
    """Isolated pages after and before: the machine's, or those of the nodes that stayed.

    What the CPUs have yet to count of a node that leaves is never counted: only those that are
    online are asked (mm/vmstat.c, refresh_cpu_vm_stats()). A node that came after `before` and is
    away again leaves as much behind.
    """
    stayed = before.pins.keys() & after.pins.keys()
    if stayed == before.pins.keys() and not after.away:
        return after.isolated, before.isolated
    nodes = stayed - {MACHINE}
    now, then = (sum(books.pins[node].isolated for node in nodes) for books in (after, before))
    return now, then


def _zone_errors(before: Books, after: Books, partial: bool) -> Iterator[str]:
    zones, were, are = _by_name(before.zones), _online(before.blocks), _online(after.blocks)
    for name, zone in _by_name(after.zones).items():
        old = zones.get(name, Zone(*name))
        mine, mine_before = are.get(name, frozenset()), were.get(name, frozenset())
        grown = _pages(mine - mine_before) - _pages(mine_before - mine)
        yield from _differs(name, "present", old.present + grown, zone.present)
        if not partial or mine == mine_before:
            yield from _differs(name, "managed", old.managed + grown, zone.managed)
        if zone.name == "Device":  # remove_pfn_range_from_zone() leaves its span (6.1 to 7.2)
            continue
        if mine == mine_before:
            yield from _differs(name, "spanned", old.spanned, zone.spanned)
        elif old.present == _pages(mine_before):  # none of it lies in other blocks
            yield from _differs(name, "spanned", _span(mine), zone.spanned)


def _differs(name: ZoneName, field_name: str, expected: int, seen: int) -> Iterator[str]:
    if seen != expected:
        yield f"{_place(name)}: {field_name} {seen:,} pages (/proc/zoneinfo), expected {expected:,}"


def _memory_errors(before: Books, after: Books, each: int) -> Iterator[str]:
    """`each`: what a page of new memory takes, bytes, that no account has."""
    known = {block.index for block in before.blocks}
    added = _pages(block.frames for block in after.blocks if block.index not in known)
    added += _span_of_devices(after) - _span_of_devices(before)
    lost = after.unaccounted - before.unaccounted - added * each
    if lost > TOLERANCE:
        yield (
            f"the machine: {lost / MIB:.1f} MiB are neither free nor in any account of "
            f"/proc/meminfo, expected at most {TOLERANCE / MIB:g} MiB"
        )


def _span_of_devices(books: Books) -> int:
    """Pages of memory that drivers have brought as their devices', which has no memory blocks.

    Its struct pages are in no account (mm/memremap.c, memremap_pages()).
    """
    return sum(zone.spanned for zone in books.zones if zone.name == "Device")


def _by_name(zones: Iterable[Zone]) -> dict[ZoneName, Zone]:
    return {(zone.node, zone.name): zone for zone in zones}


def _online(blocks: Iterable[MemoryBlock]) -> dict[ZoneName, frozenset[PfnRuns]]:
    """The online blocks of each zone; one that reaches into several zones is of none."""
    found: dict[ZoneName, set[PfnRuns]] = defaultdict(set)
    for block in blocks:
        if block.node is not None and block.zone is not None:
            found[block.node, block.zone].add(block.frames)
    return {name: frozenset(frames) for name, frames in found.items()}


def _pages(blocks: Iterable[PfnRuns]) -> int:
    return sum(block.pages for block in blocks)


def _span(blocks: Iterable[PfnRuns]) -> int:
    """Pages from the first of `blocks` to the end of the last."""
    runs = [run for block in blocks for run in block.runs]
    if not runs:
        return 0
    return max(first + count for first, count in runs) - min(first for first, _ in runs)


def _place(name: ZoneName) -> str:
    node, zone = name
    return f"node {node}'s ZONE_{zone.upper()}"
