# SPDX-License-Identifier: Apache-2.0
"""Pins where the kernel has little room, or much to do in one call."""

import errno
from itertools import product

import pytest

from hotremove.scenario import GIB, MIB, PAGE, PINNED, REMOVED, errno_name

pytestmark = pytest.mark.hotremove
CPUS = range(2)


@pytest.mark.notices("no-migration", "mlocked")
@pytest.mark.scenario(21, "locked on fault on one CPU, pinned on another")
def test_memory_locked_on_fault_can_be_pinned(movable_memory, rdma):
    for here, there in product(CPUS, CPUS):
        buffer = movable_memory.map(8 * PAGE, kind="memfd", cpu=here)
        buffer.lock_and_move(here, there)
        rdma.pin(buffer).expect_outside(movable_memory.frames)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(21, "not locked, pinned on another CPU", control=True)
def test_memory_that_is_not_locked_can_be_pinned(movable_memory, rdma):
    for here, there in product(CPUS, CPUS):
        buffer = movable_memory.map(8 * PAGE, kind="memfd", cpu=here)
        buffer.move_to_cpu(there)
        rdma.pin(buffer)
        buffer.unpin()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("no-migration", "wait-under-pressure")
@pytest.mark.scenario(25, "no memory outside ZONE_MOVABLE")
@pytest.mark.allow_splat("oom", reason="more memory is wanted than there is", expires="2099-12-31")
def test_a_pin_without_room_elsewhere_is_refused(memory_pressure, movable_memory, rdma, record):
    memory_pressure.leave(48 * MIB)
    buffer = movable_memory.map(128 * MIB)
    answer = rdma.try_to_pin(buffer)
    record(errno_name(answer))
    memory_pressure.end()
    movable_memory.unplug().expect(REMOVED)
    assert answer == errno.ENOMEM


@pytest.mark.scenario(25, "room on node 0", control=True)
def test_a_pin_with_room_elsewhere_is_made(movable_memory, rdma):
    buffer = movable_memory.map(128 * MIB)
    assert rdma.try_to_pin(buffer) == PINNED
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.topology("large")
@pytest.mark.long
@pytest.mark.scenario(26, "more than 2 GiB by one pin_user_pages()")
def test_more_than_two_gib_in_one_call(movable_memory, pin_hold):
    buffer = movable_memory.map(2 * GIB + 4 * MIB, kind="thp", spill=True)
    pin = pin_hold.pin(buffer, entry="locked")
    assert pin.calls == 1
    movable_memory.unplug().expect(REMOVED)
    pin.expect_outside(movable_memory.frames)


@pytest.mark.topology("large")
@pytest.mark.long
@pytest.mark.scenario(26, "more than 2 GiB by two pin_user_pages()", control=True)
def test_more_than_two_gib_in_two_calls(movable_memory, pin_hold):
    buffer = movable_memory.map(2 * GIB + 4 * MIB, kind="thp", spill=True)
    assert pin_hold.pin(buffer, batch=buffer.size // 2, entry="locked").calls == 2
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)
