# SPDX-License-Identifier: Apache-2.0
"""What becomes of pins when who holds them ends, or stops? Nothing may stay, nothing be lost."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "kept-pin", exits="ended-holder", killed="ended-holder")
@pytest.mark.scenario(60, "the holder ends without an unpin")
@pytest.mark.parametrize("how", ["exits", "is killed", "execs"], ids=["exits", "killed", "execs"])
def test_nothing_stays_of_a_holder_that_ends(movable_memory, rdma, leak_check, how):
    buffer = movable_memory.map(4 * MIB)
    rdma.pin(buffer)
    movable_memory.unplug().expect(REMOVED)
    buffer.end(how)
    leak_check.expect_no_pins()


@pytest.mark.notices("no-migration", "kept-pin", "ended-holder")
@pytest.mark.scenario(60, "the holder's memory lives on in another process")
def test_a_pin_lives_on_in_another_process(movable_memory, rdma, leak_check, pins_held):
    buffer = movable_memory.map(4 * MIB)
    region = rdma.pin(buffer)
    region.expect_outside(movable_memory.frames)
    other = buffer.leave_to_another()
    assert pins_held() >= region.pages
    movable_memory.unplug().expect(REMOVED)
    other.end()
    leak_check.expect_no_pins()


@pytest.mark.notices("no-migration", "bytes-lost")
@pytest.mark.scenario(60, "the holder is frozen")
def test_memory_of_a_frozen_holder_leaves(movable_memory, rdma, cgroup):
    pinned = movable_memory.map(4 * MIB)
    pinned.fill(1)
    rdma.pin(pinned, size=2 * MIB)
    cgroup.add(pinned)
    cgroup.freeze()
    movable_memory.unplug().expect(REMOVED)
    cgroup.thaw()
    pinned.expect_written(1)
    pinned.expect_device_reads(1)


@pytest.mark.scenario(60, "the holder ends, nothing pinned", control=True)
@pytest.mark.parametrize("how", ["exits", "is killed", "execs"])
def test_nothing_stays_of_who_pinned_nothing(movable_memory, leak_check, how):
    movable_memory.map(4 * MIB).end(how)
    leak_check.expect_no_pins()
    movable_memory.unplug().expect(REMOVED)
