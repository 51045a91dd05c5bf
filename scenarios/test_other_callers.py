# SPDX-License-Identifier: Apache-2.0
"""Who else pins for long: each caller has to have its pages moved out of the way."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "caller-iommufd")
@pytest.mark.scenario(36, "iommufd mapping held")
@pytest.mark.pins("iommufd")
def test_memory_leaves_under_an_iommufd_mapping(movable_memory, pinner):
    mapping = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    mapping.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(36, "iommufd mapping of memory on node 0", control=True)
@pytest.mark.pins("iommufd")
def test_memory_leaves_beside_an_iommufd_mapping_elsewhere(movable_memory, pinner, map_on_node):
    mapping = pinner.pin(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    mapping.expect_unmoved()


@pytest.mark.notices("no-migration", "caller-iommufd")
@pytest.mark.scenario(37, "pinned by a driver through iommufd")
@pytest.mark.pins("iommufd_access")
def test_memory_leaves_under_a_drivers_pin_through_iommufd(movable_memory, pinner):
    pin = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(37, "through iommufd, memory on node 0", control=True)
@pytest.mark.pins("iommufd_access")
def test_memory_leaves_beside_a_drivers_pin_elsewhere(movable_memory, pinner, map_on_node):
    pin = pinner.pin(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_unmoved()


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(38, "AF_XDP packet buffers (umem) held")
@pytest.mark.pins("xdp")
def test_memory_leaves_under_packet_buffers(movable_memory, pinner):
    umem = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    umem.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(38, "AF_XDP packet buffers on node 0", control=True)
@pytest.mark.pins("xdp")
def test_memory_leaves_beside_packet_buffers_elsewhere(movable_memory, pinner, map_on_node):
    umem = pinner.pin(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    umem.expect_unmoved()


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(39, "memory in the IOTLB of a vDPA device")
@pytest.mark.pins("vhost_vdpa")
def test_memory_leaves_under_what_a_vdpa_device_has(movable_memory, pinner):
    pin = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(39, "IOTLB of a vDPA device, memory on node 0", control=True)
@pytest.mark.pins("vhost_vdpa")
def test_memory_leaves_beside_what_a_vdpa_device_has(movable_memory, pinner, map_on_node):
    pin = pinner.pin(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_unmoved()


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(40, "buffer of a video device (V4L2) held")
@pytest.mark.pins("v4l2")
def test_memory_leaves_under_a_video_buffer(movable_memory, pinner):
    frame = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    frame.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(40, "buffer of a video device on node 0", control=True)
@pytest.mark.pins("v4l2")
def test_memory_leaves_beside_a_video_buffer_elsewhere(movable_memory, pinner, map_on_node):
    frame = pinner.pin(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    frame.expect_unmoved()


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(42, "memory region of siw instead of rxe")
@pytest.mark.pins("siw")
def test_memory_leaves_under_a_siw_memory_region(movable_memory, pinner):
    region = pinner.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    region.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(42, "memory region of siw on node 0", control=True)
@pytest.mark.pins("siw")
def test_memory_leaves_beside_a_siw_memory_region_elsewhere(movable_memory, pinner, map_on_node):
    region = pinner.pin(map_on_node(0, 32 * MIB))
    movable_memory.unplug().expect(REMOVED)
    region.expect_unmoved()


@pytest.mark.notices("no-migration", "caller-umem", "bytes-lost")
@pytest.mark.scenario(43, "memory region used by a memory window")
def test_a_memory_window_shows_what_has_moved(movable_memory, rdma):
    buffer = movable_memory.map(4 * MIB)
    buffer.fill(43)
    region = rdma.pin_with_window(buffer)
    movable_memory.unplug().expect(REMOVED)
    region.expect_migrated_from(movable_memory.frames)
    buffer.expect_device_reads(43)


@pytest.mark.scenario(43, "a window of memory on node 0", control=True)
def test_a_memory_window_shows_what_has_not_moved(map_on_node, rdma):
    buffer = map_on_node(0, 4 * MIB)
    buffer.fill(43)
    rdma.pin_with_window(buffer)
    buffer.expect_device_reads(43)
