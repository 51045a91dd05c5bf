# SPDX-License-Identifier: Apache-2.0
"""Does it hold for other memory than single anonymous pages: shared, huge, in parts?"""

import errno

import pytest

from hotremove.scenario import GIB, MIB, PINNED, REMOVED, errno_name


@pytest.mark.hotremove
@pytest.mark.notices("no-migration", whole="thp", part="tail-pages", rdma="large-folio-release")
@pytest.mark.scenario(14, "transparent huge pages, all of them or a part")
@pytest.mark.pins("rdma", "vfio")
@pytest.mark.parametrize("part", [{}, {"offset": MIB, "size": 13 * MIB}], ids=["whole", "part"])
def test_transparent_huge_pages_leave(movable_memory, pinner, part):
    buffer = movable_memory.map(16 * MIB, kind="thp")
    pin = pinner.pin(buffer, **part)
    movable_memory.unplug().expect(REMOVED)
    assert pin.migrated >= pin.pages


@pytest.mark.hotremove
@pytest.mark.notices("no-migration", shmem="shmem")
@pytest.mark.scenario(15, "shared memory")
@pytest.mark.pins("rdma", "vfio", "uring")
@pytest.mark.parametrize("kind", ["shmem", "memfd"])
def test_shared_memory_leaves(movable_memory, pinner, kind):
    pin = pinner.pin(movable_memory.map(16 * MIB, kind=kind))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_migrated_from(movable_memory.frames)


@pytest.mark.notices("no-migration", "hugetlb", "hugetlb-pool")
@pytest.mark.wide
@pytest.mark.scenario(11, "hugetlb, with a free pool on node 0")
@pytest.mark.pins("rdma", "vfio")
def test_hugetlb_pages_leave_for_a_free_pool(movable_memory, pinner, huge_pages):
    huge_pages(0, 32)
    huge_pages(1, 32)
    pin = pinner.pin(movable_memory.map(64 * MIB, kind="hugetlb2m"))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_outside(movable_memory.frames)


@pytest.mark.notices("no-migration", "hugetlb")
@pytest.mark.wide
@pytest.mark.scenario(12, "hugetlb, without a pool elsewhere: removed or -ENOMEM")
@pytest.mark.pins("rdma", "vfio")
def test_hugetlb_pages_without_a_pool_elsewhere(movable_memory, pinner, huge_pages, record):
    huge_pages(0, 0)
    huge_pages(1, 32)
    buffer = movable_memory.map(64 * MIB, kind="hugetlb2m")
    answer = pinner.try_to_pin(buffer)
    record(errno_name(answer))
    assert answer in (PINNED, errno.ENOMEM)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.hotremove
@pytest.mark.topology("large")
@pytest.mark.memory(2048)
@pytest.mark.long
@pytest.mark.scenario(13, "hugetlb (1 GiB): removed or -ENOMEM")
def test_a_gigantic_page_leaves_or_is_refused(movable_memory, rdma, gigantic_pages, record):
    gigantic_pages(0, 1)
    gigantic_pages(1, 1)
    buffer = movable_memory.map(GIB, kind="hugetlb1g")
    answer = rdma.try_to_pin(buffer)
    record(errno_name(answer))
    assert answer in (PINNED, errno.ENOMEM)
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.hotremove
@pytest.mark.topology("large")
@pytest.mark.memory(2048)
@pytest.mark.long
@pytest.mark.scenario(13, "hugetlb (1 GiB), not pinned", control=True)
def test_a_gigantic_page_that_nobody_pins_leaves(movable_memory, gigantic_pages):
    gigantic_pages(0, 1)
    gigantic_pages(1, 1)
    movable_memory.map(GIB, kind="hugetlb1g")
    movable_memory.unplug().expect(REMOVED)
