# SPDX-License-Identifier: Apache-2.0
"""Other ways to pin, other ways to remove: the answer must be the same."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "caller-uring")
@pytest.mark.scenario(3, "io_uring registered buffers held")
def test_memory_leaves_under_registered_buffers(movable_memory, uring):
    buffers = uring.pin(movable_memory.map(16 * MIB))
    movable_memory.unplug().expect(REMOVED)
    buffers.expect_migrated_from(movable_memory.frames)


@pytest.mark.notices(
    "no-migration",
    pin_hold=("entry-fast", "first-batch", "last-page", "large-calls"),
    mdev="single-page",
)
@pytest.mark.scenario(34, "pinned by a module of the kernel")
@pytest.mark.pins("pin_hold", "ib_umem", "mdev")
def test_memory_leaves_under_a_modules_pin(movable_memory, pinner):
    pin = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.notices(
    "no-migration",
    locked="entry-pages",
    remote="entry-remote",
    unlocked="entry-unlocked",
    memfd="entry-memfd",
)
@pytest.mark.scenario(34, "pinned by other entries than pin_user_pages_fast")
@pytest.mark.parametrize("entry", ["locked", "remote", "unlocked", "memfd"])
def test_memory_leaves_by_whatever_entry_it_is_pinned(movable_memory, pin_hold, entry):
    pin = pin_hold.pin(movable_memory.map(32 * MIB, kind="memfd"), entry=entry)
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.notices("no-migration", rdma="offline-lies")
@pytest.mark.scenario(35, "sysfs offline instead of eject")
@pytest.mark.pins("rdma", "vfio")
def test_blocks_go_offline_under_a_pin(movable_memory, pinner):
    pinner.pin(movable_memory.map(16 * MIB))
    movable_memory.offline().expect(REMOVED)


@pytest.mark.scenario(35, "sysfs offline, nothing pinned", control=True)
def test_blocks_go_offline_under_memory_that_nobody_pins(movable_memory):
    movable_memory.map(16 * MIB)
    movable_memory.offline().expect(REMOVED)


@pytest.mark.notices("no-migration")
@pytest.mark.topology("virtio-mem")
@pytest.mark.scenario(31, "virtio-mem instead of a DIMM")
@pytest.mark.pins("rdma", "vfio")
def test_virtio_mem_shrinks_under_a_pin(virtio_mem, pinner):
    pin = pinner.pin(virtio_mem.map(16 * MIB))
    virtio_mem.shrink().expect(REMOVED)
    pin.expect_migrated_from(virtio_mem.frames)


@pytest.mark.topology("virtio-mem")
@pytest.mark.scenario(31, "virtio-mem, nothing pinned", control=True)
def test_virtio_mem_shrinks_under_memory_that_nobody_pins(virtio_mem):
    virtio_mem.map(16 * MIB)
    virtio_mem.shrink().expect(REMOVED)
