# SPDX-License-Identifier: Apache-2.0
"""Memory that files are mapped from: who may pin it, and does it leave?"""

import errno

import pytest

from hotremove.scenario import MIB, PINNED, REMOVED, errno_name

pytestmark = pytest.mark.hotremove


@pytest.mark.scenario(16, "file (ext4) pinned for writing: refused, or it leaves")
@pytest.mark.pins("rdma", "vfio")
def test_file_pinned_for_writing(movable_memory, ext4, pinner, record):
    buffer = movable_memory.map(16 * MIB, kind="file", file=ext4.path("data"))
    answer = pinner.try_to_pin(buffer)
    record(errno_name(answer))
    assert answer in (PINNED, errno.EFAULT)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(16, "shmem pinned for writing", control=True)
@pytest.mark.pins("rdma", "vfio")
def test_shared_memory_pinned_for_writing(movable_memory, pinner):
    buffer = movable_memory.map(16 * MIB, kind="shmem")
    assert pinner.try_to_pin(buffer) == PINNED
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("no-migration", "read-pins", "file", "livelock")
@pytest.mark.scenario(17, "file (ext4) pinned for reading, in large folios where there are any")
def test_file_pinned_for_reading(movable_memory, ext4, pin_hold, record):
    path = ext4.path("data")
    buffer = movable_memory.map(16 * MIB, kind="file", file=path, read_only=True)
    pin = pin_hold.pin(buffer)
    record(f"folios of up to {4 << buffer.largest_order()} KiB, {pin.faults} page faults")
    pin.expect_no_livelock()
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(17, "anonymous memory pinned for reading", control=True)
def test_anonymous_memory_pinned_for_reading(movable_memory, pin_hold):
    buffer = movable_memory.map(16 * MIB, read_only=True)
    pin_hold.pin(buffer).expect_no_livelock()
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)
