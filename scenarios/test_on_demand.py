# SPDX-License-Identifier: Apache-2.0
"""On-demand memory regions pin nothing: does the device find pages that have moved?"""

import pytest

from hotremove.scenario import MIB, PAGE, REMOVED

# What rxe moves in one packet. Later packets of a page are another question: see docs/scenarios.md.
PACKET = 1024


@pytest.mark.hotremove
@pytest.mark.scenario(29, "on-demand memory region held")
def test_memory_leaves_under_an_on_demand_region(movable_memory, rdma):
    buffer = movable_memory.map(16 * MIB)
    buffer.fill(seed=29)
    rdma.pin_on_demand(buffer)
    assert rdma.pinned_bytes(buffer) == 0
    expect_first_packets(buffer)
    movable_memory.unplug().expect(REMOVED)
    expect_first_packets(buffer)


def expect_first_packets(buffer):
    """Have the device read the beginning of every 64th page."""
    places = range(0, buffer.size, 64 * PAGE)
    wrong = [place for place in places if buffer.device_mismatches(29, place, PACKET)]
    assert not wrong, f"the device reads other data than were written at {wrong}"


@pytest.mark.hotremove
@pytest.mark.scenario(29, "the region is not on-demand", control=True)
def test_a_region_that_is_not_on_demand_is_accounted(map_on_node, rdma):
    buffer = map_on_node(0, 16 * MIB)
    rdma.pin(buffer)
    assert rdma.pinned_bytes(buffer) == buffer.size


@pytest.mark.wide
@pytest.mark.scenario(76, "data through an on-demand region, nothing removed")
def test_data_through_an_on_demand_region(map_on_node, rdma, traffic):
    data = traffic(rdma, map_on_node(0, MIB))
    rdma.pin_on_demand(data.buffer)
    data.check()
    data.exchange()
