# SPDX-License-Identifier: Apache-2.0
"""Folios between a page and a huge page, of every size that the kernel makes."""

import pytest

from hotremove.scenario import MIB, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("no-migration", "mthp", "tail-pages", "bytes-lost")
@pytest.mark.scenario(59, "large folios of each size, pinned across their borders")
def test_large_folios_leave(movable_memory, large_folios, rdma):
    for folio in large_folios.sizes:
        buffer = large_folios.map(movable_memory, 2 * MIB, folio)
        buffer.fill(1)
        region = rdma.pin(buffer, offset=folio // 2, size=2 * MIB - folio)
        region.expect_migrated_from(movable_memory.frames)
        buffer.expect_device_reads(1)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(59, "large folios of each size, nothing pinned", control=True)
def test_large_folios_that_nobody_pins_leave(movable_memory, large_folios):
    for folio in large_folios.sizes:
        large_folios.map(movable_memory, 2 * MIB, folio)
    movable_memory.unplug().expect(REMOVED)
