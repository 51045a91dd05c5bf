# SPDX-License-Identifier: Apache-2.0
"""Memory that is shared until it is written to: fork, pins for reading, the zero page."""

import pytest

from hotremove.scenario import MIB, PAGE, REMOVED, NotApplicable


@pytest.mark.hotremove
@pytest.mark.notices("no-migration", "anon", "fork-side")
@pytest.mark.scenario(18, "fork while pinned; child and parent write")
def test_pinned_pages_stay_with_the_parent(movable_memory, rdma):
    buffer = movable_memory.map(4 * MIB)
    region = rdma.pin(buffer)
    child = buffer.fork()
    buffer.fill(1)
    child.fill(2)
    region.expect_made_of(buffer.frames())
    region.expect_unseen_in(child.frames())
    buffer.expect_device_reads(1)
    child.expect_reads(2)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.hotremove
@pytest.mark.scenario(18, "fork while pinned, with MADV_DONTFORK", control=True)
def test_pinned_pages_that_no_child_sees(movable_memory, rdma):
    buffer = movable_memory.map(4 * MIB)
    buffer.advise("dontfork")
    region = rdma.pin(buffer)
    child = buffer.fork()
    buffer.fill(1)
    assert not child.frames()
    region.expect_made_of(buffer.frames())
    buffer.expect_device_reads(1)


@pytest.mark.wide
@pytest.mark.notices("no-longterm")
@pytest.mark.scenario(19, "pinned for reading, then written by the CPU")
def test_a_pin_for_reading_sees_what_is_written_later(movable_memory, pin_hold):
    untouched = movable_memory.map(MIB, faulted=False, read_only=True)
    shared = movable_memory.map(MIB, read_only=True)
    shared.fork().require_shared()
    for buffer in (untouched, shared):
        pin_hold.pin(buffer)
        buffer.fill(1)
    movable_memory.unplug().expect(REMOVED)
    stale = {"untouched": untouched.stale_pages(), "shared": shared.stale_pages()}
    assert not any(stale.values()), f"pages of the pin are not what memory is made of: {stale}"


@pytest.mark.hotremove
@pytest.mark.scenario(19, "pinned for writing, then written by the CPU", control=True)
def test_a_pin_for_writing_sees_what_is_written_later(movable_memory, rdma):
    buffer = movable_memory.map(MIB, faulted=False)
    rdma.pin(buffer)
    buffer.fill(1)
    buffer.expect_device_reads(1)


@pytest.mark.hotremove
@pytest.mark.notices("zero-page")
@pytest.mark.scenario(20, "the zero page pinned 10,000 times")
def test_the_zero_page_is_let_go_as_often_as_it_is_pinned(movable_memory, vfio, pins_held):
    buffer = movable_memory.map(2000 * PAGE, faulted=False, read_only=True)
    held = pins_held()
    for _ in range(5):
        assert vfio.pin(buffer, batch=PAGE).calls == 2000
        buffer.unpin()
    zero_pages = buffer.zero_pages()
    assert not (left := pins_held() - held), f"{left} page references of pins are left"
    movable_memory.unplug().expect(REMOVED)
    if zero_pages < 2000:
        raise NotApplicable(f"{zero_pages} of 2000 pages that were pinned are the zero page")


@pytest.mark.hotremove
@pytest.mark.scenario(20, "written pages pinned 10,000 times", control=True)
def test_written_pages_are_let_go_as_often_as_they_are_pinned(movable_memory, vfio, pins_held):
    buffer = movable_memory.map(2000 * PAGE, read_only=True)
    held = pins_held()
    for _ in range(5):
        assert vfio.pin(buffer, batch=PAGE).calls == 2000
        buffer.unpin()
    assert not (left := pins_held() - held), f"{left} page references of pins are left"
    movable_memory.unplug().expect(REMOVED)
