# SPDX-License-Identifier: Apache-2.0
"""When a removal is stuck: is it the pin, can it be broken off, and does all go well after?

A FOLL_GET reference that user space holds for as long as it likes (vmsplice) is not a long-term
pin, so nothing migrates it away and every kernel gets stuck: the failure the suite must see.
"""

import pytest

from hotremove.scenario import MIB, REMOVED, STUCK

pytestmark = pytest.mark.hotremove


@pytest.mark.scenario(5, "unpinned after it got stuck")
@pytest.mark.pins("rdma", "vfio", "vmsplice")
def test_stuck_removal_ends_when_the_pin_goes(movable_memory, pinner):
    buffer = movable_memory.map(32 * MIB)
    pinner.pin(buffer)
    movable_memory.unplug(deadline=10).expect_held_up()
    buffer.unpin()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(6, "vmsplice held: stuck by design")
def test_vmsplice_holds_up_the_removal(movable_memory, vmsplice):
    vmsplice.pin(movable_memory.map(32 * MIB))
    movable_memory.unplug(deadline=10).expect(STUCK)


@pytest.mark.notices(vmsplice="isolated-after-signal")
@pytest.mark.scenario(7, "SIGTERM during a stuck offline")
@pytest.mark.pins("vmsplice", "rdma")
def test_signal_ends_a_stuck_offline_without_harm(movable_memory, pinner):
    pinner.pin(movable_memory.map(32 * MIB))
    offline = movable_memory.start_offline_of_pinned_block()
    offline.expect_stuck(after=3)
    offline.terminate()
    offline.expect_interrupted()
    offline.expect_block_usable()
    movable_memory.expect_allocatable()
