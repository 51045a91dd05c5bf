# SPDX-License-Identifier: Apache-2.0
"""Memory that is no DIMM, or none that was told where to go: DAX, movable from boot, by itself."""

import pytest

from hotremove.scenario import MIB, REFUSED, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration")
@pytest.mark.topology("dax")
@pytest.mark.scenario(35, "dax/kmem instead of a DIMM")
@pytest.mark.pins("rdma", "vfio")
def test_dax_memory_leaves_under_a_pin(dax_kmem, pinner):
    pin = pinner.pin(dax_kmem.map(16 * MIB))
    dax_kmem.unbind().expect(REMOVED)
    pin.expect_migrated_from(dax_kmem.frames)


@pytest.mark.topology("dax")
@pytest.mark.scenario(35, "dax/kmem, nothing pinned", control=True)
def test_dax_memory_leaves_under_memory_that_nobody_pins(dax_kmem):
    dax_kmem.map(16 * MIB)
    dax_kmem.unbind().expect(REMOVED)


@pytest.mark.notices("no-migration")
@pytest.mark.topology("movable-boot")
@pytest.mark.scenario(32, "a node that is movable from boot")
@pytest.mark.pins("rdma", "vfio")
def test_boot_memory_leaves_under_a_pin(boot_node, pinner):
    pin = pinner.pin(boot_node.map(16 * MIB))
    boot_node.offline().expect(REMOVED)
    pin.expect_migrated_from(boot_node.frames)


@pytest.mark.topology("movable-boot")
@pytest.mark.scenario(32, "nothing pinned", control=True)
def test_boot_memory_leaves_under_memory_that_nobody_pins(boot_node):
    boot_node.map(16 * MIB)
    boot_node.offline().expect(REMOVED)


@pytest.mark.notices("no-migration")
@pytest.mark.topology("dax")
@pytest.mark.scenario(66, "kmem unbound with blocks online: they stay until reboot")
@pytest.mark.pins("rdma", "vfio")
def test_dax_memory_that_is_unbound_online_stays(dax_kmem, pinner, record):
    pinner.pin(dax_kmem.map(32 * MIB))
    removal = dax_kmem.unbind_online()
    removal.expect(REFUSED)
    record(f"{removal.remark}; bound again: {dax_kmem.bind_again()}")
    dax_kmem.offline().expect(REMOVED)


@pytest.mark.topology("dax")
@pytest.mark.scenario(66, "kmem unbound with blocks offline", control=True)
def test_dax_memory_that_is_unbound_offline_is_bound_again(dax_kmem):
    dax_kmem.map(32 * MIB)
    dax_kmem.unbind().expect(REMOVED)
    assert dax_kmem.bind_again() == "bound"


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(69, "the kernel chooses ZONE_MOVABLE by itself")
@pytest.mark.pins("rdma", "vfio")
def test_memory_that_the_kernel_made_movable_leaves(auto_movable_memory, pinner):
    pin = pinner.pin(auto_movable_memory.map(32 * MIB))
    auto_movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(auto_movable_memory.frames)


@pytest.mark.scenario(69, "by itself, nothing pinned", control=True)
def test_unpinned_memory_that_the_kernel_made_movable_leaves(auto_movable_memory):
    auto_movable_memory.map(32 * MIB)
    auto_movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("no-migration", "present-pages")
@pytest.mark.topology("memmap-on-memory")
@pytest.mark.dimm(128)
@pytest.mark.scenario(68, "the DIMM holds its own struct pages")
@pytest.mark.pins("rdma", "vfio")
def test_a_dimm_with_its_own_struct_pages_leaves(movable_dimm, pinner):
    movable_dimm.require_own_memmap()
    pin = pinner.pin(movable_dimm.map(32 * MIB))
    movable_dimm.eject().expect(REMOVED)
    pin.expect_migrated_from(movable_dimm.frames)
    movable_dimm.expect_gone()


@pytest.mark.topology("memmap-on-memory")
@pytest.mark.dimm(128)
@pytest.mark.scenario(68, "its own struct pages, nothing pinned", control=True)
def test_an_unpinned_dimm_with_its_own_struct_pages_leaves(movable_dimm):
    movable_dimm.require_own_memmap()
    movable_dimm.eject().expect(REMOVED)
    movable_dimm.expect_gone()


@pytest.mark.notices("no-migration", "node-left")
@pytest.mark.topology("dax-node")
@pytest.mark.scenario(81, "a node whose only memory leaves")
@pytest.mark.pins("rdma", "vfio")
def test_a_node_leaves_with_its_memory(dax_kmem, pinner):
    pin = pinner.pin(dax_kmem.map(16 * MIB))
    dax_kmem.unbind().expect(REMOVED)
    pin.expect_migrated_from(dax_kmem.frames)
    dax_kmem.expect_node_gone()


@pytest.mark.topology("dax-node")
@pytest.mark.scenario(81, "a node whose only memory leaves, nothing pinned", control=True)
def test_an_unpinned_node_leaves_with_its_memory(dax_kmem):
    dax_kmem.map(16 * MIB)
    dax_kmem.unbind().expect(REMOVED)
    dax_kmem.expect_node_gone()


@pytest.mark.notices("no-migration", "node-left")
@pytest.mark.topology("cxl")
@pytest.mark.scenario(67, "CXL memory: its region is destroyed, its device removed")
@pytest.mark.pins("rdma", "vfio")
def test_cxl_memory_leaves_under_a_pin(cxl_memory, pinner):
    pin = pinner.pin(cxl_memory.map(8 * MIB))
    cxl_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(cxl_memory.frames)
    cxl_memory.expect_gone()


@pytest.mark.topology("cxl")
@pytest.mark.scenario(67, "CXL memory, nothing pinned", control=True)
def test_unpinned_cxl_memory_leaves(cxl_memory):
    cxl_memory.map(8 * MIB)
    cxl_memory.unplug().expect(REMOVED)
    cxl_memory.expect_gone()
