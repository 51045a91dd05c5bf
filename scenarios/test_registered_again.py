# SPDX-License-Identifier: Apache-2.0
"""Memory that is pinned, let go, changed, and pinned again."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "kept-pin", "tail-pages")
@pytest.mark.scenario(41, "a buffer from within a huge page to within one, registered twice")
def test_part_of_huge_pages_is_registered_again_after_a_fork(movable_memory, uring):
    buffer = movable_memory.map(16 * MIB, "thp")
    first = uring.pin(buffer, offset=MIB, size=14 * MIB)
    first.expect_outside(movable_memory.frames)
    movable_memory.renew(buffer)
    child = buffer.fork()
    buffer.fill(1, offset=5 * MIB, size=6 * MIB)
    pin = uring.pin(buffer, offset=MIB, size=14 * MIB)
    movable_memory.unplug().expect(REMOVED)
    pin.expect_outside(movable_memory.frames)
    child.close()


@pytest.mark.scenario(41, "the buffer is not registered again", control=True)
def test_part_of_huge_pages_is_registered_once(movable_memory, uring):
    buffer = movable_memory.map(16 * MIB, "thp")
    uring.pin(buffer, offset=MIB, size=14 * MIB)
    movable_memory.renew(buffer)
    child = buffer.fork()
    buffer.fill(1, offset=5 * MIB, size=6 * MIB)
    movable_memory.unplug().expect(REMOVED)
    child.close()
