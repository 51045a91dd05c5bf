# SPDX-License-Identifier: Apache-2.0
"""Do pages leave that a driver pins only to read them? It waits for them as long as any other."""

import pytest

from hotremove.scenario import MIB, REMOVED


@pytest.mark.hotremove
@pytest.mark.notices("no-migration", "read-pins", anon="read-private", thp="read-private")
@pytest.mark.scenario(46, "pinned for reading")
@pytest.mark.pins("pin_hold", "vfio")
@pytest.mark.parametrize("kind", ["anon", "shmem", "thp"])
def test_memory_pinned_for_reading_leaves(movable_memory, pinner, kind):
    pin = pinner.pin(movable_memory.map(32 * MIB, kind=kind, read_only=True))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


# Up to 6.1 ib_umem_get() asks for writing as well (drivers/infiniband/core/umem.c, FOLL_FORCE), so
# that faults of pins for reading do not show.
@pytest.mark.hotremove
@pytest.mark.notices("no-migration")
@pytest.mark.scenario(46, "registered for reading")
@pytest.mark.parametrize("kind", ["anon", "shmem", "thp"])
def test_memory_registered_for_reading_leaves(movable_memory, ib_umem, kind):
    region = ib_umem.pin(movable_memory.map(32 * MIB, kind=kind, read_only=True))
    movable_memory.unplug().expect(REMOVED)
    region.expect_migrated_from(movable_memory.frames)


@pytest.mark.wide
@pytest.mark.notices("no-migration", "read-pins", "hugetlb")
@pytest.mark.scenario(11, "hugetlb, pinned for reading")
@pytest.mark.pins("pin_hold", "vfio")
def test_hugetlb_pages_pinned_for_reading_leave(movable_memory, pinner, huge_pages):
    huge_pages(0, 16)
    huge_pages(1, 16)
    pin = pinner.pin(movable_memory.map(32 * MIB, kind="hugetlb2m", read_only=True))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_outside(movable_memory.frames)


@pytest.mark.hotremove
@pytest.mark.scenario(46, "mapped for reading, not pinned", control=True)
@pytest.mark.parametrize("kind", ["anon", "shmem", "thp"])
def test_memory_that_nobody_pins_for_reading_leaves(movable_memory, kind):
    movable_memory.map(32 * MIB, kind=kind, read_only=True)
    movable_memory.unplug().expect(REMOVED)
