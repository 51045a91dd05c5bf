# SPDX-License-Identifier: Apache-2.0
"""Memory that leaves while others use it, move it, merge it and look for free pages."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices(process="kept-pin")
@pytest.mark.scenario(45, "I/O goes on, which pins for as long as a call lasts")
@pytest.mark.parametrize("how", ["direct", "process"])
def test_memory_leaves_under_io(movable_memory, short_io, record, how):
    (buffer,) = movable_memory.share(8 * MIB, holders=1)
    short_io.begin(buffer, how)
    movable_memory.unplug(steady=False).expect(REMOVED)
    record(str(short_io.end()))


@pytest.mark.scenario(45, "the I/O has ended", control=True)
@pytest.mark.parametrize("how", ["direct", "process"])
def test_memory_leaves_after_io(movable_memory, short_io, how):
    (buffer,) = movable_memory.share(8 * MIB, holders=1)
    short_io.begin(buffer, how)
    short_io.end()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("no-migration", "pinned-moved")
@pytest.mark.long
@pytest.mark.scenario(71, "compaction, balancing, khugepaged, KSM, reclaim and forks go on")
@pytest.mark.pins("rdma", "vfio")
def test_memory_leaves_a_busy_machine(movable_memory, pinner, churn, rounds):
    buffer, other = movable_memory.map(16 * MIB), movable_memory.map(16 * MIB)
    other.advise("mergeable")
    for rng in rounds:
        movable_memory.renew(buffer, other)
        pin = pinner.pin(buffer)
        with churn.going_on(rng):
            movable_memory.offline().expect(REMOVED)
        pin.expect_made_of(buffer.frames())
        movable_memory.online()


@pytest.mark.long
@pytest.mark.scenario(71, "the same, nothing pinned", control=True)
def test_unpinned_memory_leaves_a_busy_machine(movable_memory, churn, rounds):
    other = movable_memory.map(32 * MIB)
    other.advise("mergeable")
    for rng in rounds:
        movable_memory.renew(other)
        with churn.going_on(rng):
            movable_memory.offline().expect(REMOVED)
        movable_memory.online()
