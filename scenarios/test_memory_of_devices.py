# SPDX-License-Identifier: Apache-2.0
"""Memory that a device has taken from the processor: a pin brings it back, and it has to leave."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-longterm", exclusive="bytes-lost")
@pytest.mark.scenario(57, "in a device's memory, or for it alone, when it is pinned")
@pytest.mark.parametrize("how", ["private", "exclusive"])
def test_memory_that_a_device_has_leaves_by_a_pin(movable_memory, device_memory, rdma, how):
    buffer = movable_memory.map(4 * MIB)
    buffer.fill(57)
    device_memory.take(buffer, how)
    rdma.pin(buffer).expect_outside(movable_memory.frames)
    movable_memory.unplug().expect(REMOVED)
    buffer.expect_written(57)
    buffer.expect_device_reads(57)


@pytest.mark.scenario(57, "in a device's memory, not pinned", control=True)
def test_memory_that_a_device_has_leaves(movable_memory, device_memory):
    buffer = movable_memory.map(4 * MIB)
    buffer.fill(57)
    device_memory.take(buffer, "private")
    movable_memory.unplug().expect(REMOVED)
    buffer.expect_written(57)


@pytest.mark.scenario(57, "for a device alone, not pinned", control=True)
def test_memory_that_a_device_has_alone_leaves(movable_memory, device_memory):
    buffer = movable_memory.map(4 * MIB)
    buffer.fill(57)
    device_memory.take(buffer, "exclusive")
    device_memory.require_mapped(buffer)
    movable_memory.unplug().expect(REMOVED)
    buffer.expect_written(57)
