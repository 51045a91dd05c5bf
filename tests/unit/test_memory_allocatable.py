# SPDX-License-Identifier: Apache-2.0
"""Pageblocks that give no page are told by their memory block."""

import pytest

from hotremove.memory.allocatable import NotAllocatable, require_allocatable, untouched
from hotremove.observe.pagemap import MemoryBlock, PfnRuns

BLOCK = MemoryBlock(32, PfnRuns.of([(32 * 32768, 32768)]), "online", ("Movable",), 1)
FIRST = 32 * 32768


def used(pageblocks):
    """A page in each of the block's first so many pageblocks."""
    return PfnRuns.of((FIRST + 512 * n + n, 1) for n in range(pageblocks))


def test_a_page_of_a_pageblock_is_enough():
    assert [untouched(BLOCK, used(count)) for count in (64, 63, 0)] == [0, 1, 64]


def test_a_block_of_which_few_pageblocks_are_kept_back_can_be_allocated():
    require_allocatable([BLOCK], used(48))


def test_a_block_that_gives_no_page_is_told():
    told = r"^32768 pages of memory32 \(64 of 64 pageblocks\) cannot be allocated"
    with pytest.raises(NotAllocatable, match=told):
        require_allocatable([BLOCK], used(0))
    with pytest.raises(NotAllocatable, match="17 of 64 pageblocks"):
        require_allocatable([BLOCK], used(47))
