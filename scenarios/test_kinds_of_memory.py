# SPDX-License-Identifier: Apache-2.0
"""Does it hold for other memory than single anonymous pages: shared, huge, in parts?"""

import errno

import pytest

from hotremove.scenario import MIB, PINNED, REMOVED


@pytest.mark.hotremove
@pytest.mark.sensitive
@pytest.mark.scenario(14, "transparent huge pages, all of them or a part")
@pytest.mark.parametrize("part", [{}, {"offset": MIB, "size": 61 * MIB}], ids=["whole", "part"])
def test_transparent_huge_pages_leave(movable_dimm, rdma, part):
    buffer = movable_dimm.map(64 * MIB, kind="thp")
    assert buffer.huge_bytes() == 64 * MIB
    region = rdma.pin(buffer, **part)
    movable_dimm.eject().expect(REMOVED)
    assert region.migrated >= region.pages


@pytest.mark.hotremove
@pytest.mark.sensitive
@pytest.mark.scenario(15, "shared memory")
@pytest.mark.parametrize("kind", ["shmem", "memfd"])
def test_shared_memory_leaves(movable_dimm, rdma, kind):
    region = rdma.pin(movable_dimm.map(64 * MIB, kind=kind))
    movable_dimm.eject().expect(REMOVED)
    region.expect_migrated_from(movable_dimm.frames)


@pytest.mark.sensitive
@pytest.mark.wide
@pytest.mark.scenario(11, "hugetlb, with a free pool on node 0")
def test_hugetlb_pages_leave_for_a_free_pool(movable_dimm, rdma, huge_pages):
    huge_pages(0, 32)
    huge_pages(1, 32)
    region = rdma.pin(movable_dimm.map(64 * MIB, kind="hugetlb2m"))
    movable_dimm.eject().expect(REMOVED)
    region.expect_outside(movable_dimm.frames)


@pytest.mark.wide
@pytest.mark.scenario(12, "hugetlb, without a pool elsewhere: removed or -ENOMEM")
def test_hugetlb_pages_without_a_pool_elsewhere(movable_dimm, rdma, huge_pages):
    huge_pages(1, 32)
    buffer = movable_dimm.map(64 * MIB, kind="hugetlb2m")
    assert rdma.try_to_pin(buffer) in (PINNED, errno.ENOMEM)
    movable_dimm.eject().expect(REMOVED)
