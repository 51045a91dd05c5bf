# SPDX-License-Identifier: Apache-2.0
"""Does memory that a device pins for a long time still leave when its DIMM is asked back?

A long-term pin first moves its pages out of ZONE_MOVABLE (Linux 5.13), so the DIMM under them can
go while the pin is held. A kernel without that gets stuck.
"""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "caller-umem", "fast-path", "freed-pinned")
@pytest.mark.scenario(1, "rxe memory region held")
def test_dimm_leaves_under_an_rdma_memory_region(movable_dimm, rdma):
    region = rdma.pin(movable_dimm.map(128 * MIB))
    movable_dimm.eject().expect(REMOVED)
    region.expect_migrated_from(movable_dimm.frames)


@pytest.mark.scenario(1, "nothing pinned", control=True)
def test_dimm_leaves_under_memory_that_nobody_pins(movable_dimm):
    movable_dimm.map(128 * MIB)
    movable_dimm.eject().expect(REMOVED)


@pytest.mark.notices("no-migration", "caller-vfio", "wrong-zone")
@pytest.mark.scenario(2, "vfio DMA mapping held")
def test_dimm_leaves_under_a_vfio_mapping(movable_dimm, vfio):
    mapping = vfio.pin(movable_dimm.map(128 * MIB))
    movable_dimm.eject().expect(REMOVED)
    mapping.expect_migrated_from(movable_dimm.frames)


@pytest.mark.scenario(2, "the mapping is on node 0", control=True)
def test_dimm_leaves_beside_a_vfio_mapping_elsewhere(movable_dimm, vfio, map_on_node):
    mapping = vfio.pin(map_on_node(0, 128 * MIB))
    movable_dimm.eject().expect(REMOVED)
    mapping.expect_unmoved()


@pytest.mark.notices("no-longterm", "unfaulted")
@pytest.mark.scenario(4, "memory never faulted before the pin")
@pytest.mark.pins("rdma", "vfio")
def test_dimm_leaves_under_memory_first_touched_by_the_pin(movable_dimm, pinner):
    pin = pinner.pin(movable_dimm.map(64 * MIB, faulted=False))
    movable_dimm.eject().expect(REMOVED)
    pin.expect_outside(movable_dimm.frames)
    pin.expect_unmoved()


@pytest.mark.notices(
    "no-migration", "present-pages", "managed-pages", "spanned-pages", "block-left", "eject-early"
)
@pytest.mark.scenario(8, "the whole DIMM leaves its node")
def test_nothing_of_the_dimm_stays_on_its_node(movable_dimm, rdma):
    rdma.pin(movable_dimm.map(128 * MIB))
    movable_dimm.eject().expect(REMOVED)
    movable_dimm.expect_gone()


@pytest.mark.scenario(8, "nothing pinned", control=True)
def test_nothing_of_an_unpinned_dimm_stays_on_its_node(movable_dimm):
    movable_dimm.eject().expect(REMOVED)
    movable_dimm.expect_gone()
