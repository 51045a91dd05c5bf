# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of single pages in /proc/kpageflags (admin-guide/mm/pagemap.rst)."""

from __future__ import annotations

from collections.abc import Iterable

# include/uapi/linux/kernel-page-flags.h and include/linux/kernel-page-flags.h
_LRU, _UNEVICTABLE, _ZERO_PAGE, _MLOCKED = 5, 18, 24, 33
SLAB, SWAP_CACHE, FOLIO_HEAD, POISONED, MERGED = 7, 13, 15, 19, 21
PAGE_TABLE, MLOCKED, BUFFERS = 26, 33, 35
"""Flags by their numbers: a slab's, in the swap cache, the first page of a large folio, not to be
used for a failure of the hardware, KSM's, a page table, locked, with data of a filesystem beside
it."""

FlagRun = tuple[int, int]
"""The flags of pages, and how many pages one after another have them."""


def count_lock_pending(runs: Iterable[FlagRun]) -> int:
    """Pages that are being locked: they wait in a CPU's batch, and on an LRU list meanwhile.

    Such a page is marked as locked at once, and moves to the unevictable ones only when the batch
    is worked off (mm/mlock.c, mlock_folio(), from 5.18 on); until then the batch has a reference.
    """
    return sum(count for flags, count in runs if _state(flags) == (True, True, False))


def count_locked(runs: Iterable[FlagRun]) -> int:
    """Pages that are locked, and among the unevictable ones."""
    return sum(count for flags, count in runs if _state(flags) == (True, True, True))


def count_off_list(runs: Iterable[FlagRun]) -> int:
    """Pages that are marked as locked, and on no LRU list."""
    return sum(count for flags, count in runs if _state(flags)[:2] == (True, False))


def count_flagged(runs: Iterable[FlagRun], flag: int) -> int:
    """Pages that have a flag, by its number."""
    return sum(count for flags, count in runs if flags >> flag & 1)


def count_zero_pages(runs: Iterable[FlagRun]) -> int:
    """Pages that are the kernel's shared page of zeroes."""
    return sum(count for flags, count in runs if flags >> _ZERO_PAGE & 1)


def _state(flags: int) -> tuple[bool, bool, bool]:
    """Whether a page is locked, on an LRU list, and unevictable."""
    return bool(flags >> _MLOCKED & 1), bool(flags >> _LRU & 1), bool(flags >> _UNEVICTABLE & 1)
