# SPDX-License-Identifier: Apache-2.0
"""Memory that its process moves, gives up, or guards, while or before it is pinned."""

import errno

import pytest

from hotremove.scenario import MIB, PINNED, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "bytes-lost")
@pytest.mark.scenario(58, "mapped elsewhere (mremap) while pinned")
def test_memory_that_is_mapped_elsewhere_leaves(movable_memory, rdma):
    buffer = movable_memory.map(4 * MIB)
    buffer.fill(1)
    region = rdma.pin(buffer)
    buffer.remap()
    movable_memory.unplug().expect(REMOVED)
    region.expect_made_of(buffer.frames())
    buffer.expect_written(1)
    buffer.expect_device_reads(1)


@pytest.mark.notices("no-migration", "bytes-lost", "given-up")
@pytest.mark.scenario(58, "given up (MADV_FREE) while pinned, then reclaimed")
def test_memory_that_is_given_up_leaves(movable_memory, rdma):
    buffer = movable_memory.map(4 * MIB)
    buffer.fill(1)
    region = rdma.pin(buffer)
    buffer.advise("free")
    buffer.advise("pageout")
    movable_memory.unplug().expect(REMOVED)
    region.expect_made_of(buffer.frames())
    buffer.expect_written(1)
    buffer.expect_device_reads(1)


@pytest.mark.notices("no-migration", "read-pins", "read-private", "protection-lost")
@pytest.mark.scenario(58, "write-protected by userfaultfd, pinned for reading")
def test_write_protected_memory_leaves(movable_memory, pin_hold, write_protection):
    buffer = movable_memory.map(4 * MIB, read_only=True)
    write_protection.protect(buffer)
    pin = pin_hold.pin(buffer)
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)
    buffer.expect_write_protected()
    assert buffer.stale_pages() == 0


@pytest.mark.notices("secret-memory")
@pytest.mark.scenario(58, "secret memory: in no movable zone, not to be pinned", unpinned=True)
def test_secret_memory_is_out_of_the_way(movable_memory, secret_memory, rdma):
    buffer = secret_memory.map(MIB)
    assert not buffer.frames() & movable_memory.frames
    rdma.expect_refused(buffer, errno.EFAULT)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(58, "moved, given up and write-protected, nothing pinned", control=True)
def test_memory_in_any_state_that_nobody_pins_leaves(movable_memory, write_protection):
    moved, given_up, protected = (movable_memory.map(MIB) for _ in range(3))
    moved.remap()
    given_up.advise("free")
    write_protection.protect(protected)
    movable_memory.unplug().expect(REMOVED)
    protected.expect_write_protected()


@pytest.mark.scenario(58, "plain memory can be pinned", control=True)
def test_memory_that_is_no_secret_can_be_pinned(movable_memory, rdma):
    buffer = movable_memory.map(MIB, "memfd")
    assert rdma.try_to_pin(buffer) == PINNED
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)
