# SPDX-License-Identifier: Apache-2.0
"""Calls that pin one page, pages of two zones or of another process, or fail midway."""

import errno

import pytest

from hotremove.scenario import MIB, PAGE, PINNED, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "single-page")
@pytest.mark.scenario(47, "pinned one page at a time")
@pytest.mark.pins("rdma", "vfio", "uring", "pin_hold", "ib_umem", "mdev")
def test_pages_pinned_one_at_a_time_leave(movable_memory, pinner):
    pin = pinner.pin(movable_memory.map(4 * MIB), batch=PAGE)
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(47, "one page at a time, on node 0", control=True)
@pytest.mark.pins("rdma", "vfio", "uring", "pin_hold", "ib_umem", "mdev")
def test_pages_pinned_one_at_a_time_elsewhere(movable_memory, pinner, map_on_node):
    pin = pinner.pin(map_on_node(0, 4 * MIB), batch=PAGE)
    movable_memory.unplug().expect(REMOVED)
    pin.expect_unmoved()


@pytest.mark.notices("no-migration", "remote-mm")
@pytest.mark.scenario(44, "another process's memory pinned")
@pytest.mark.parametrize("kind", ["anon", "shmem"])
def test_memory_that_another_process_pins_leaves(movable_memory, pin_hold, kind):
    pin = pin_hold.pin_by_child(movable_memory.map(32 * MIB, kind=kind))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(44, "another process's memory, on node 0", control=True)
def test_memory_elsewhere_that_another_process_pins(movable_memory, pin_hold, map_on_node):
    pin = pin_hold.pin_by_child(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_unmoved()


@pytest.mark.notices("no-migration", "mixed-zones")
@pytest.mark.scenario(77, "pinned pages of two zones")
@pytest.mark.pins("rdma", "vfio", "pin_hold")
def test_pages_of_two_zones_leave(movable_memory, pinner):
    buffer = movable_memory.map(32 * MIB)
    movable_memory.move_every_other(buffer, to_node=0, size=64 * PAGE)
    pin = pinner.pin(buffer)
    movable_memory.unplug().expect(REMOVED)
    pin.expect_outside(movable_memory.frames)


@pytest.mark.scenario(77, "pages of two zones, not pinned", control=True)
def test_pages_of_two_zones_that_nobody_pins_leave(movable_memory):
    buffer = movable_memory.map(32 * MIB)
    movable_memory.move_every_other(buffer, to_node=0, size=64 * PAGE)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices(
    rdma="failed-call", vfio="failed-call", uring="failed-call", ib_umem="failed-call"
)
@pytest.mark.scenario(79, "the end of the range cannot be pinned")
@pytest.mark.pins("rdma", "vfio", "uring", "pin_hold", "ib_umem", "mdev")
def test_a_pin_that_fails_midway_keeps_nothing(movable_memory, pinner):
    buffer = movable_memory.map(8 * MIB)
    buffer.forbid(offset=6 * MIB + PAGE)
    assert pinner.try_to_pin(buffer) == errno.EFAULT
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(79, "all of the range can be pinned", control=True)
def test_a_pin_that_does_not_fail_is_released(movable_memory, rdma):
    buffer = movable_memory.map(8 * MIB)
    assert rdma.try_to_pin(buffer) == PINNED
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)
