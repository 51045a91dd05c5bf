# SPDX-License-Identifier: Apache-2.0
"""Data in a pinned buffer, moved by processor and device, every byte checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from hotremove.pins.buffer import Buffer
from hotremove.units import MIB


@dataclass(frozen=True)
class Range:
    """Bytes of a buffer: where they begin in it, and how many they are."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size

    def __str__(self) -> str:
        return f"bytes {self.offset:#x}-{self.end - 1:#x}"


def pieces(size: int) -> tuple[Range, ...]:
    """All of `size` bytes, in pieces of a MiB."""
    return tuple(Range(at, min(MIB, size - at)) for at in range(0, size, MIB))


def scattered(size: int, piece: int, count: int, rng: Random) -> tuple[Range, ...]:
    """`count` pieces of `size` bytes in order: the first, the last, and some in between."""
    last = size // piece - 1
    chosen = {0, last, *rng.sample(range(1, last), count - 2)}
    return tuple(Range(number * piece, piece) for number in sorted(chosen))


def gaps(size: int, ranges: Iterable[Range]) -> Iterator[Range]:
    """What `ranges`, in order and apart, leave of `size` bytes."""
    at = 0
    for one in (*ranges, Range(size, 0)):
        if one.offset > at:
            yield Range(at, one.offset - at)
        at = one.end


class Traffic:
    """What a buffer holds, and who can read it.

    The processor reads and writes all of the buffer, the device what it reaches of it. Each range
    holds a pattern of its own, which neither has held before.

    Attributes:
        buffer: the buffer.
        dma_ranges: what the device moves.
    """

    def __init__(self, buffer: Buffer, dma_ranges: Iterable[Range], rng: Random) -> None:
        """Have the processor write all of the buffer, which need not be pinned yet."""
        self.buffer = buffer
        self.dma_ranges = tuple(dma_ranges)
        self._rng = rng
        everything = (*self.dma_ranges, *gaps(buffer.size, self.dma_ranges))
        self._held = {one: self._processor_writes(one) for one in everything}

    def check(self) -> None:
        """Have both read everything they reach, and write nothing.

        Raises:
            AssertionError: with the first range that differs from what was last written to it.
        """
        __tracebackhide__ = True
        for one in self._held:
            self._processor_reads(one)
        for one in self.dma_ranges:
            self._device_reads(one)

    def exchange(self) -> None:
        """Have the device write for the processor to read, and the other way round, everywhere.

        Raises:
            AssertionError: with the first range that was read otherwise than it was written.
        """
        __tracebackhide__ = True
        for one in self.dma_ranges:
            self._held[one] = self._new_seed()
            self.buffer.device_fill(self._held[one], one.offset, one.size)
            self._processor_reads(one)
            self._held[one] = self._processor_writes(one)
            self._device_reads(one)

    def _processor_writes(self, one: Range) -> int:
        seed = self._new_seed()
        self.buffer.fill(seed, one.offset, one.size)
        return seed

    def _processor_reads(self, one: Range) -> None:
        __tracebackhide__ = True
        wrong = self.buffer.mismatches(self._held[one], one.offset, one.size)
        assert not wrong, f"{wrong} of {one} are not as written, by what the processor reads"

    def _device_reads(self, one: Range) -> None:
        __tracebackhide__ = True
        wrong = self.buffer.device_mismatches(self._held[one], one.offset, one.size)
        assert not wrong, f"{wrong} of {one} are not as written, by what the device reads"

    def _new_seed(self) -> int:
        return self._rng.getrandbits(63)
