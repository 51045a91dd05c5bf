# SPDX-License-Identifier: Apache-2.0
"""Does memory that a device pins for a long time still leave when it is asked back?

A long-term pin first moves its pages out of ZONE_MOVABLE (Linux 5.13), so the memory under them can
go while the pin is held. A kernel without that gets stuck.
"""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "caller-umem", "fast-path", "freed-pinned")
@pytest.mark.scenario(1, "rxe memory region held")
def test_memory_leaves_under_an_rdma_memory_region(movable_memory, rdma):
    region = rdma.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    region.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(1, "nothing pinned", control=True)
def test_memory_leaves_that_nobody_pins(movable_memory):
    movable_memory.map(32 * MIB)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("no-migration", "caller-vfio", "wrong-zone")
@pytest.mark.scenario(2, "vfio DMA mapping held")
def test_memory_leaves_under_a_vfio_mapping(movable_memory, vfio):
    mapping = vfio.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    mapping.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(2, "the mapping is on node 0", control=True)
def test_memory_leaves_beside_a_vfio_mapping_elsewhere(movable_memory, vfio, map_on_node):
    mapping = vfio.pin(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    mapping.expect_unmoved()


@pytest.mark.notices("no-longterm", "unfaulted")
@pytest.mark.scenario(4, "memory never faulted before the pin")
@pytest.mark.pins("rdma", "vfio")
def test_memory_leaves_under_memory_first_touched_by_the_pin(movable_memory, pinner):
    pin = pinner.pin(movable_memory.map(16 * MIB, faulted=False))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_outside(movable_memory.frames)
    pin.expect_unmoved()


@pytest.mark.notices(
    "no-migration", "present-pages", "managed-pages", "spanned-pages", "block-left", "eject-early"
)
@pytest.mark.scenario(8, "all of the memory leaves its node")
def test_nothing_of_the_memory_stays_on_its_node(movable_memory, rdma):
    rdma.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    movable_memory.expect_gone()


@pytest.mark.scenario(8, "nothing pinned", control=True)
def test_nothing_of_unpinned_memory_stays_on_its_node(movable_memory):
    movable_memory.unplug().expect(REMOVED)
    movable_memory.expect_gone()
