# SPDX-License-Identifier: Apache-2.0
"""Memory that is partly in swap: does it leave, does it come back, and who keeps it waiting?"""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.wide
@pytest.mark.notices("swap-cache")
@pytest.mark.scenario(48, "partly swapped out, nothing pinned", unpinned=True)
def test_memory_leaves_that_is_partly_in_swap(movable_memory, swap):
    buffers = [movable_memory.map(2 * MIB, kind) for kind in ("anon", "memfd")]
    for buffer in buffers:
        buffer.fill(1)
    swap.take_out_in_part(movable_memory, *buffers)
    movable_memory.unplug().expect(REMOVED)
    for buffer in buffers:
        buffer.expect_written(1)


@pytest.mark.wide
@pytest.mark.notices("no-migration", "swap-cache")
@pytest.mark.scenario(48, "partly swapped out, then half of it pinned")
def test_pinned_memory_leaves_that_was_partly_in_swap(movable_memory, swap, rdma):
    buffers = [movable_memory.map(2 * MIB, kind) for kind in ("anon", "memfd")]
    for buffer in buffers:
        buffer.fill(1)
    swap.take_out_in_part(movable_memory, *buffers)
    for buffer in buffers:
        rdma.pin(buffer, size=MIB).expect_outside(movable_memory.frames)
    movable_memory.unplug().expect(REMOVED)
    for buffer in buffers:
        buffer.expect_written(1)


@pytest.mark.scenario(48, "swap is on, all is in memory, nothing pinned", control=True)
@pytest.mark.usefixtures("swap")
def test_memory_leaves_that_is_not_in_swap(movable_memory):
    buffers = [movable_memory.map(2 * MIB, kind) for kind in ("anon", "memfd")]
    movable_memory.unplug().expect(REMOVED)
    assert not any(buffer.frames() & movable_memory.frames for buffer in buffers)


@pytest.mark.scenario(53, "compressed memory (zsmalloc)", unpinned=True)
def test_compressed_memory_leaves(movable_memory, zram_swap):
    buffer = zram_swap.fill(movable_memory, 4 * MIB)
    movable_memory.unplug().expect(REMOVED)
    buffer.expect_written(1)


@pytest.mark.notices("no-longterm")
@pytest.mark.scenario(53, "compressed memory, read back by a pin")
def test_memory_leaves_that_a_pin_reads_back(movable_memory, zram_swap, rdma):
    buffer = zram_swap.fill(movable_memory, 4 * MIB)
    rdma.pin(buffer).expect_outside(movable_memory.frames)
    movable_memory.unplug().expect(REMOVED)
    buffer.expect_device_reads(1)


@pytest.mark.scenario(53, "nothing is compressed", control=True)
@pytest.mark.usefixtures("zram_swap")
def test_memory_leaves_that_nobody_compressed(movable_memory):
    buffer = movable_memory.map(4 * MIB, by_process=True)
    buffer.fill(1)
    movable_memory.unplug().expect(REMOVED)
    buffer.expect_written(1)
