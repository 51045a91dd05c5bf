# SPDX-License-Identifier: Apache-2.0
"""What the kernel counts: vmstat, a node's vmstat, meminfo and zoneinfo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from hotremove.errors import HotremoveError

_VMSTAT = re.compile(r"(\w+) (-?\d+)")
_MEMINFO = re.compile(r"(?:Node \d+ )?([\w()]+):\s+(\d+)( kB)?")
_ZONE = re.compile(r"Node (\d+), zone\s+(\S+)")
_ZONE_FIELD = re.compile(r"\s+(?:pages )?(\w+):?\s+(\d+)\s*")
_CACHED = re.compile(r"^ +count: +(\d+)$", re.MULTILINE)
_SECTION = re.compile(r"  (\w[\w-]*)")

ISOLATED_ERROR = 64
"""`Counters.isolated` is off by fewer pages than so many: it is folded per CPU, so a few may come
late (mm/vmstat.c)."""


@dataclass(frozen=True)
class Counters:
    """Counters by name at one instant, or the change between two.

    The unit is the file's: pages or events for vmstat, bytes for meminfo.
    """

    values: Mapping[str, int] = field(hash=False)

    def __getitem__(self, name: str) -> int:
        """The counter of that name; a counter this kernel does not have counts 0."""
        return self.values.get(name, 0)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def only(self, *prefixes: str) -> Counters:
        """The counters whose names start with any of `prefixes`."""
        return _counters({k: v for k, v in self.values.items() if k.startswith(prefixes)})

    @property
    def pinned(self) -> int:
        """Page references that FOLL_PIN holds now, summed since boot (Linux 5.7 and later).

        In a delta: how many more are held than before. Transient pins count while they last.
        """
        return self["nr_foll_pin_acquired"] - self["nr_foll_pin_released"]

    @property
    def isolated(self) -> int:
        """Pages taken off the LRU lists; back at its baseline when nothing migrates."""
        return self["nr_isolated_anon"] + self["nr_isolated_file"]


@dataclass(frozen=True)
class Zone:
    """A zone of a node, sizes in pages (/proc/zoneinfo, mm/vmstat.c).

    Attributes:
        node: node number.
        name: `DMA`, `DMA32`, `Normal`, `Movable`, `Device`.
        present: page frames that exist and are online.
        free: free pages.
        counters: the zone's own vmstat counters.
        spanned: from its first page frame to its last.
        managed: those that the page allocator has been given.
    """

    node: int
    name: str
    present: int = 0
    free: int = 0
    counters: Counters = field(default_factory=lambda: Counters({}), hash=False)
    spanned: int = 0
    managed: int = 0


def delta(before: Counters, after: Counters) -> Counters:
    """How much each counter moved; one that is absent on a side counts 0 there."""
    names = {**before.values, **after.values}
    return _counters({name: after[name] - before[name] for name in names})


def parse_vmstat(text: str) -> Counters:
    """Read /proc/vmstat or /sys/devices/system/node/nodeN/vmstat.

    Raises:
        HotremoveError: a line is not a name and a number.
    """
    values: dict[str, int] = {}
    for number, line in _content(text):
        found = _VMSTAT.fullmatch(line.strip())
        if not found:
            raise HotremoveError(f"vmstat line {number} is not a name and a number: {line!r}")
        values[found[1]] = int(found[2])
    return _counters(values)


def parse_meminfo(text: str) -> Counters:
    """Read /proc/meminfo or a node's meminfo; sizes in bytes, HugePages_* in huge pages.

    Raises:
        HotremoveError: a line is not a name and a number.
    """
    values: dict[str, int] = {}
    for number, line in _content(text):
        found = _MEMINFO.fullmatch(line.strip())
        if not found:
            raise HotremoveError(f"meminfo line {number} is not a name and a size: {line!r}")
        values[found[1]] = int(found[2]) * (1024 if found[3] else 1)
    return _counters(values)


def parse_zoneinfo(text: str) -> tuple[Zone, ...]:
    """Read /proc/zoneinfo: every zone of every node, empty ones included, in the file's order.

    Raises:
        HotremoveError: the text is not empty and does not begin with a zone.
    """
    zones: list[tuple[int, str, dict[str, int]]] = []
    section = ""
    for number, line in _content(text):
        heading = _ZONE.match(line)
        if heading:
            zones.append((int(heading[1]), heading[2], {}))
            continue
        if not zones:
            raise HotremoveError(f"zoneinfo line {number} stands before any zone: {line!r}")
        opening = _SECTION.match(line)
        section = opening[1] if opening else section
        # Deeper lines of other sections are the node's statistics and the processors' page sets.
        found = _ZONE_FIELD.fullmatch(line) if opening or section == "pages" else None
        if found:
            zones[-1][2].setdefault(found[1], int(found[2]))
    return tuple(_zone(*zone) for zone in zones)


def parse_cached_pages(text: str) -> int:
    """Free pages that processors keep in lists of their own, from /proc/zoneinfo.

    They are not in MemFree, and newer kernels keep more the busier a processor was.
    """
    return sum(map(int, _CACHED.findall(text)))


def find_zone(zones: tuple[Zone, ...], node: int, name: str) -> Zone:
    """The zone of a node; an empty one when the kernel lists none."""
    for zone in zones:
        if (zone.node, zone.name) == (node, name):
            return zone
    return Zone(node, name)


def _content(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _counters(values: dict[str, int]) -> Counters:
    return Counters(MappingProxyType(values))


def _zone(node: int, name: str, values: dict[str, int]) -> Zone:
    sizes = {key: values.get(key, 0) for key in ("present", "free", "spanned", "managed")}
    return Zone(node, name, counters=_counters(values), **sizes)
