# SPDX-License-Identifier: Apache-2.0
"""Pages that several have: of shared memory, since a fork, or because they are alike."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "shared-pages", "bytes-lost")
@pytest.mark.scenario(51, "shared memory of three processes")
def test_shared_memory_of_three_leaves(movable_memory, rdma):
    shared = movable_memory.share(4 * MIB, holders=3)
    region = rdma.pin(shared[0])
    movable_memory.unplug().expect(REMOVED)
    region.expect_migrated_from(movable_memory.frames)
    assert {buffer.frames() for buffer in shared} == {region.frames}


@pytest.mark.notices("no-longterm")
@pytest.mark.scenario(51, "shared since fork, never written")
@pytest.mark.parametrize("read_only", [False, True], ids=["writing", "reading"])
def test_memory_shared_since_fork_leaves(movable_memory, pin_hold, read_only):
    buffer = movable_memory.map(4 * MIB, read_only=read_only)
    buffer.fill(1)
    child = buffer.fork()
    child.require_shared()
    pin_hold.pin(buffer).expect_outside(movable_memory.frames)
    movable_memory.unplug().expect(REMOVED)
    buffer.expect_written(1)
    assert child.mismatches(1) == 0


@pytest.mark.scenario(51, "shared by three, nothing pinned", control=True)
def test_shared_memory_that_nobody_pins_leaves(movable_memory):
    shared = movable_memory.share(4 * MIB, holders=3)
    movable_memory.unplug().expect(REMOVED)
    assert len({buffer.frames() for buffer in shared}) == 1


@pytest.mark.notices("no-longterm")
@pytest.mark.scenario(50, "merged pages (KSM)")
@pytest.mark.parametrize("read_only", [False, True], ids=["writing", "reading"])
def test_merged_pages_leave(movable_memory, pin_hold, ksm, read_only):
    pinned, other = (movable_memory.map(MIB, read_only=read_only) for _ in range(2))
    ksm.merge(pinned, other)
    pin_hold.pin(pinned).expect_outside(movable_memory.frames)
    movable_memory.unplug().expect(REMOVED)
    pinned.expect_written(1)
    pinned.fill(2)
    other.expect_written(1)
    assert pinned.stale_pages() == 0


@pytest.mark.scenario(50, "merged pages, nothing pinned", control=True)
def test_merged_pages_that_nobody_pins_leave(movable_memory, ksm):
    buffers = [movable_memory.map(MIB) for _ in range(2)]
    ksm.merge(*buffers)
    movable_memory.unplug().expect(REMOVED)
    for buffer in buffers:
        buffer.expect_written(1)
