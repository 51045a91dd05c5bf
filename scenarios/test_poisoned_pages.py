# SPDX-License-Identifier: Apache-2.0
"""Pages that failed, or are about to: they must not keep the rest of the memory."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("poisoned")
@pytest.mark.scenario(52, "a poisoned page in the memory", unpinned=True)
@pytest.mark.parametrize("kind", ["anon", "thp"])
@pytest.mark.parametrize("how", ["hwpoison", "soft-offline"])
def test_memory_with_a_poisoned_page_leaves(movable_memory, poison, kind, how, record):
    buffer = movable_memory.map(4 * MIB, kind)
    poison.poison(movable_memory, buffer, how, offset=MIB)
    movable_memory.unplug_offline().expect(REMOVED)
    record(f"{poison.counted() >> 10} KiB are counted as poisoned after the memory has left")


@pytest.mark.notices("no-migration", "poisoned")
@pytest.mark.scenario(52, "a poisoned page, the others pinned")
@pytest.mark.parametrize("how", ["hwpoison", "soft-offline"])
def test_pinned_memory_with_a_poisoned_page_leaves(movable_memory, poison, rdma, how):
    buffer = movable_memory.map(4 * MIB, "thp")
    poison.poison(movable_memory, buffer, how)
    region = rdma.pin(buffer, offset=2 * MIB)
    movable_memory.unplug_offline().expect(REMOVED)
    region.expect_migrated_from(movable_memory.frames)


@pytest.mark.scenario(52, "no page is poisoned", control=True)
def test_memory_without_a_poisoned_page_leaves(movable_memory, poison):
    movable_memory.map(4 * MIB, "thp")
    movable_memory.unplug_offline().expect(REMOVED)
    assert poison.counted() == 0
