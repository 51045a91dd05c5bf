# SPDX-License-Identifier: Apache-2.0
"""Memory that is no DIMM: soft-reserved memory behind a DAX device, a node movable from boot."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration")
@pytest.mark.topology("dax")
@pytest.mark.scenario(35, "dax/kmem instead of a DIMM")
@pytest.mark.pins("rdma", "vfio")
def test_dax_memory_leaves_under_a_pin(dax_kmem, pinner):
    pin = pinner.pin(dax_kmem.map(64 * MIB))
    dax_kmem.unbind().expect(REMOVED)
    pin.expect_migrated_from(dax_kmem.frames)


@pytest.mark.topology("dax")
@pytest.mark.scenario(35, "dax/kmem, nothing pinned", control=True)
def test_dax_memory_leaves_under_memory_that_nobody_pins(dax_kmem):
    dax_kmem.map(64 * MIB)
    dax_kmem.unbind().expect(REMOVED)


@pytest.mark.notices("no-migration")
@pytest.mark.topology("movable-boot")
@pytest.mark.scenario(32, "a node that is movable from boot")
@pytest.mark.pins("rdma", "vfio")
def test_boot_memory_leaves_under_a_pin(boot_node, pinner):
    pin = pinner.pin(boot_node.map(64 * MIB))
    boot_node.offline().expect(REMOVED)
    pin.expect_migrated_from(boot_node.frames)


@pytest.mark.topology("movable-boot")
@pytest.mark.scenario(32, "nothing pinned", control=True)
def test_boot_memory_leaves_under_memory_that_nobody_pins(boot_node):
    boot_node.map(64 * MIB)
    boot_node.offline().expect(REMOVED)
