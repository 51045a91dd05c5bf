# SPDX-License-Identifier: Apache-2.0
"""Memory of a virtio-mem device: what of it leaves where only a part is pinned?"""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration")
@pytest.mark.topology("virtio-mem")
@pytest.mark.scenario(70, "virtio-mem, a part of the memory pinned")
@pytest.mark.pins("rdma", "vfio")
def test_virtio_mem_shrinks_under_a_pin_of_a_part(virtio_mem, pinner):
    pin = pinner.pin(virtio_mem.map(64 * MIB), offset=16 * MIB, size=8 * MIB)
    virtio_mem.shrink().expect(REMOVED)
    pin.expect_migrated_from(virtio_mem.frames)


@pytest.mark.notices("no-migration")
@pytest.mark.topology("virtio-mem-big")
@pytest.mark.scenario(70, "virtio-mem by blocks of 256 MiB, a part of the memory pinned")
@pytest.mark.pins("rdma", "vfio")
def test_virtio_mem_gives_big_blocks_under_a_pin_of_a_part(virtio_mem, pinner):
    virtio_mem.require_big_blocks(256 * MIB)
    pin = pinner.pin(virtio_mem.map(64 * MIB), offset=16 * MIB, size=8 * MIB)
    virtio_mem.shrink().expect(REMOVED)
    pin.expect_migrated_from(virtio_mem.frames)


@pytest.mark.topology("virtio-mem-big")
@pytest.mark.scenario(70, "virtio-mem by blocks of 256 MiB, nothing pinned", control=True)
def test_virtio_mem_gives_big_blocks_that_nobody_pins(virtio_mem):
    virtio_mem.require_big_blocks(256 * MIB)
    virtio_mem.map(64 * MIB)
    virtio_mem.shrink().expect(REMOVED)
