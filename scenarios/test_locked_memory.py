# SPDX-License-Identifier: Apache-2.0
"""Memory that is locked (mlock) when it is pinned: is it pinned, does it leave, is it locked?"""

import pytest

from hotremove.observe.pageflags import MLOCKED
from hotremove.scenario import MIB, PAGE, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "mlocked", "bytes-lost")
@pytest.mark.scenario(49, "locked memory, pinned at once")
@pytest.mark.parametrize("kind", ["anon", "memfd"])
@pytest.mark.parametrize("locked", ["later", "on-fault"])
def test_locked_memory_leaves(movable_memory, rdma, kind, locked):
    buffer = movable_memory.map(4 * MIB, kind, cpu=0)
    buffer.lock() if locked == "later" else buffer.lock_on_fault()
    region = rdma.pin(buffer)
    assert buffer.pages_with(MLOCKED) == 4 * MIB // PAGE
    movable_memory.unplug().expect(REMOVED)
    region.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(49, "locked memory, nothing pinned", control=True)
@pytest.mark.parametrize("kind", ["anon", "memfd"])
def test_locked_memory_that_nobody_pins_leaves(movable_memory, kind):
    buffer = movable_memory.map(4 * MIB, kind)
    buffer.lock()
    movable_memory.unplug().expect(REMOVED)
    assert buffer.pages_with(MLOCKED) == 4 * MIB // PAGE
