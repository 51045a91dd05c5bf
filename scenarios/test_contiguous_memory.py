# SPDX-License-Identifier: Apache-2.0
"""The other promise of the fix: areas for contiguous memory (CMA) stay free of long-term pins."""

import pytest

from hotremove.scenario import MIB

pytestmark = [pytest.mark.hotremove, pytest.mark.topology("contiguous")]


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(73, "pinned pages leave an area for contiguous memory")
@pytest.mark.pins("rdma", "vfio")
def test_pinned_pages_leave_an_area_for_contiguous_memory(contiguous_area, pinner):
    buffer = contiguous_area.map(32 * MIB)
    buffer.fill(73)
    pin = pinner.pin(buffer)
    pin.expect_outside(contiguous_area.frames, contiguous_area.name)
    contiguous_area.expect_allocatable()
    buffer.expect_written(73)


@pytest.mark.scenario(73, "nothing pinned in an area for contiguous memory", control=True)
def test_pages_leave_an_area_for_contiguous_memory(contiguous_area):
    buffer = contiguous_area.map(32 * MIB)
    buffer.fill(73)
    contiguous_area.expect_allocatable()
    buffer.expect_written(73)
