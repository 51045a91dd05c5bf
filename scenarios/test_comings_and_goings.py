# SPDX-License-Identifier: Apache-2.0
"""Memory that leaves more than once, one of several, in part, or in vain: what stays of it?"""

import pytest

from hotremove.scenario import MIB, REFUSED, REMOVED

pytestmark = pytest.mark.hotremove

TIMES = range(10)


@pytest.mark.notices("no-migration", "kept-pin", "present-pages", "block-left")
@pytest.mark.scenario(65, "the memory comes back, is pinned again, leaves again")
@pytest.mark.pins("rdma", "vfio")
def test_memory_that_comes_back_leaves_each_time(movable_memory, pinner, leak_check):
    buffer = movable_memory.map(16 * MIB)
    for _ in TIMES:
        movable_memory.renew(buffer)
        pin = pinner.pin(buffer)
        movable_memory.unplug().expect(REMOVED)
        pin.expect_outside(movable_memory.frames)
        movable_memory.expect_gone()
        movable_memory.plug_again()
    buffer.unpin()
    leak_check.expect_none(buffer)


@pytest.mark.scenario(65, "the memory comes back, nothing pinned", control=True)
def test_unpinned_memory_that_comes_back_leaves_each_time(movable_memory, leak_check):
    buffer = movable_memory.map(16 * MIB)
    for _ in TIMES:
        movable_memory.renew(buffer)
        movable_memory.unplug().expect(REMOVED)
        movable_memory.expect_gone()
        movable_memory.plug_again()
    leak_check.expect_none(buffer)


@pytest.mark.notices("no-migration", "block-left")
@pytest.mark.scenario(63, "one DIMM of three leaves, then the others")
@pytest.mark.pins("rdma", "pin_hold")
def test_dimms_leave_one_by_one_under_pins_of_all(three_dimms, pinner):
    for buffer in three_dimms.buffers:
        pinner.pin(buffer)
    for dimm in three_dimms:
        dimm.eject().expect(REMOVED)


@pytest.mark.scenario(63, "three DIMMs, nothing pinned", control=True)
def test_unpinned_dimms_leave_one_by_one(three_dimms):
    for dimm in three_dimms:
        dimm.eject().expect(REMOVED)


@pytest.mark.notices("no-migration", "kept-pin")
@pytest.mark.scenario(64, "blocks leave in part, come back, and leave again; then all")
@pytest.mark.pins("rdma", "vfio")
def test_blocks_leave_in_part_and_again(movable_memory, pinner):
    buffer = movable_memory.map(32 * MIB)
    for _ in range(2):
        pinner.pin(buffer)
        movable_memory.offline_in_part(blocks=2).expect(REMOVED)
        movable_memory.online()
        movable_memory.renew(buffer)
    pinner.pin(buffer)
    movable_memory.offline_in_part(blocks=2).expect(REMOVED)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(64, "blocks leave in part, nothing pinned", control=True)
def test_unpinned_blocks_leave_in_part_and_again(movable_memory):
    buffer = movable_memory.map(32 * MIB)
    for _ in range(2):
        movable_memory.offline_in_part(blocks=2).expect(REMOVED)
        movable_memory.online()
        movable_memory.renew(buffer)
    movable_memory.offline_in_part(blocks=2).expect(REMOVED)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("isolated-after-signal")
@pytest.mark.scenario(72, "offlines that signals end, one after the other")
def test_interrupted_offlines_leave_every_page_allocatable(movable_memory, vmsplice, rounds):
    vmsplice.pin(movable_memory.map(8 * MIB))
    for rng in rounds:
        offline = movable_memory.start_offline_of_pinned_block()
        offline.expect_stuck(after=rng.uniform(0.3, 1.5))
        offline.terminate()
        offline.expect_interrupted()
        offline.expect_block_usable()
        movable_memory.expect_allocatable()


@pytest.mark.notices("isolated-after-busy")
@pytest.mark.scenario(72, "offlines that are refused for pages of the kernel")
def test_refused_offlines_leave_every_page_allocatable(normal_memory, kernel_pages):
    kernel_pages.take_from(normal_memory)
    for _ in range(3):
        normal_memory.offline().expect(REFUSED)
        normal_memory.online()
        normal_memory.expect_allocatable()


@pytest.mark.scenario(72, "an offline that ends, and blocks that come back", control=True)
def test_completed_offlines_leave_every_page_allocatable(movable_memory):
    movable_memory.map(8 * MIB)
    movable_memory.offline().expect(REMOVED)
    movable_memory.online()
    movable_memory.expect_allocatable()
