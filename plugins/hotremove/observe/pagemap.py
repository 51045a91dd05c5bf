# SPDX-License-Identifier: Apache-2.0
"""Page frames: the ones a range is made of, and the memory blocks they lie in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hotremove.errors import HotremoveError

PAGE_BYTES = 4096
"""Bytes in a page of the guests (x86-64)."""

# Runs that a message names. Evidence lists all.
_SHOWN = 4

Run = tuple[int, int]
"""A first page frame number and how many frames follow it, itself included."""


@dataclass(frozen=True)
class PfnRuns:
    """A set of page frames, kept as runs in ascending order that neither touch nor overlap.

    Build one with `PfnRuns.of`; `&`, `|` and `-` are those of sets.
    """

    runs: tuple[Run, ...] = ()

    @classmethod
    def of(cls, runs: Iterable[Iterable[int]]) -> PfnRuns:
        """Runs in any order, overlaps allowed; takes JSON's `[[pfn, count], …]` as it is.

        Raises:
            HotremoveError: a run is not two numbers, or one is negative.
        """
        return cls(tuple(_merged(sorted(_checked(run) for run in runs))))

    @classmethod
    def of_bytes(cls, address: int, size: int) -> PfnRuns:
        """The page frames that a physical range of `size` bytes touches."""
        first, end = address // PAGE_BYTES, -(-(address + size) // PAGE_BYTES)
        return cls.of([(first, end - first)])

    @property
    def pages(self) -> int:
        """How many page frames there are."""
        return sum(count for _, count in self.runs)

    def __bool__(self) -> bool:
        return bool(self.runs)

    def __contains__(self, pfn: int) -> bool:
        return any(first <= pfn < first + count for first, count in self.runs)

    def __and__(self, other: PfnRuns) -> PfnRuns:
        return PfnRuns(_combined(self, other, lambda mine, theirs: mine and theirs))

    def __or__(self, other: PfnRuns) -> PfnRuns:
        return PfnRuns(_combined(self, other, lambda mine, theirs: mine or theirs))

    def __sub__(self, other: PfnRuns) -> PfnRuns:
        return PfnRuns(_combined(self, other, lambda mine, theirs: mine and not theirs))

    def inside(self, *ranges: PfnRuns) -> int:
        """How many of the page frames lie in any of `ranges`, pages."""
        everything = PfnRuns.of(run for one in ranges for run in one.runs)
        return (self & everything).pages

    def listed(self) -> str:
        """`0x100000-0x107fff`, run by run; the ends are inclusive, as the kernel prints them."""
        shown = [f"{first:#x}-{first + count - 1:#x}" for first, count in self.runs]
        return ", ".join(shown) or "no pages"

    def __str__(self) -> str:
        """As `listed`, but of many runs the first alone, with the number of the others."""
        left = len(self.runs) - _SHOWN
        if left <= 0:
            return self.listed()
        return f"{PfnRuns(self.runs[:_SHOWN]).listed()} and {left} more ranges"


@dataclass(frozen=True)
class MemoryBlock:
    """A memory block of sysfs (Documentation/admin-guide/mm/memory-hotplug.rst).

    Attributes:
        index: the N of /sys/devices/system/memory/memoryN.
        frames: the page frames of the block.
        state: `online`, `offline` or `going-offline`.
        zones: what `valid_zones` says: the zone an online block is in (empty for `none`,
            which means more than one), or the zones an offline block may go to, default first.
        node: its NUMA node, when known.
    """

    index: int
    frames: PfnRuns
    state: str
    zones: tuple[str, ...] = ()
    node: int | None = None

    @property
    def zone(self) -> str | None:
        """The one zone that an online block is in; None when it is offline or in several."""
        return self.zones[0] if self.state == "online" and len(self.zones) == 1 else None


def parse_block_bytes(text: str) -> int:
    """Bytes of a memory block, from /sys/devices/system/memory/block_size_bytes (bare hex).

    Raises:
        HotremoveError: not a positive multiple of a page.
    """
    size = _hex("block_size_bytes", text)
    if size <= 0 or size % PAGE_BYTES:
        raise HotremoveError(f"block_size_bytes is not a size in pages: {text.strip()!r}")
    return size


def parse_block(index: int, files: Mapping[str, str], block_bytes: int) -> MemoryBlock:
    """Read one memory block from the contents of its sysfs files.

    Args:
        index: the N of memoryN.
        files: file name to content: `phys_index` (else `index` counts), `state`, `valid_zones`;
            and `node`, the number behind the link `nodeN`, when it was read.
        block_bytes: bytes of a block.

    Raises:
        HotremoveError: a file is missing or holds something else.
    """
    if "state" not in files:
        raise HotremoveError(f"memory{index} has no state")
    number = _hex("phys_index", files["phys_index"]) if "phys_index" in files else index
    node = files.get("node", "").strip().removeprefix("node")
    if node and not node.isdecimal():
        raise HotremoveError(f"memory{index}: not a node: {node!r}")
    zones = files.get("valid_zones", "").split()
    return MemoryBlock(
        index=index,
        frames=PfnRuns.of_bytes(number * block_bytes, block_bytes),
        state=files["state"].strip(),
        zones=() if zones == ["none"] else tuple(zones),
        node=int(node) if node else None,
    )


def frames_of(blocks: Iterable[MemoryBlock]) -> PfnRuns:
    """All the page frames of these memory blocks."""
    return PfnRuns.of(run for block in blocks for run in block.frames.runs)


def _hex(name: str, text: str) -> int:
    try:
        return int(text.strip(), 16)
    except ValueError:
        raise HotremoveError(f"{name} is not a hexadecimal number: {text.strip()!r}") from None


def _checked(run: Iterable[int]) -> Run:
    try:
        first, count = run
    except (TypeError, ValueError):
        raise HotremoveError(f"not a run of page frames: {run!r}") from None
    if not isinstance(first, int) or not isinstance(count, int) or first < 0 or count < 0:
        raise HotremoveError(f"not a run of page frames: {run!r}")
    return first, count


def _merged(runs: Iterable[Run]) -> Iterator[Run]:
    """Join sorted runs that touch or overlap."""
    first, end = 0, 0
    for start, count in runs:
        if not count:
            continue
        if start > end or end == first:
            if end > first:
                yield first, end - first
            first, end = start, start + count
        end = max(end, start + count)
    if end > first:
        yield first, end - first


def _combined(one: PfnRuns, other: PfnRuns, keep: Callable[[bool, bool], bool]) -> tuple[Run, ...]:
    """Sweep over the borders of both sets and keep the stretches that `keep` wants."""
    borders = sorted((pfn, side) for side, runs in ((0, one), (1, other)) for pfn in _borders(runs))
    inside = [False, False]
    kept: list[Run] = []
    last = 0
    for pfn, side in borders:
        if keep(inside[0], inside[1]) and pfn > last:
            kept.append((last, pfn - last))
        inside[side] = not inside[side]
        last = pfn
    return tuple(_merged(kept))


def _borders(runs: PfnRuns) -> Iterator[int]:
    for first, count in runs.runs:
        yield first
        yield first + count
