# SPDX-License-Identifier: Apache-2.0
"""Pages that no process has mapped, and pages that nobody can move: who keeps the memory?"""

import pytest

from hotremove.scenario import MIB, REFUSED, REMOVED

pytestmark = pytest.mark.hotremove


@pytest.mark.scenario(54, "page cache with busy buffers")
def test_page_cache_with_busy_buffers_leaves(movable_memory, movable_ext4):
    movable_ext4.write_file(movable_memory)
    with movable_ext4.kept_busy():
        movable_memory.unplug().expect(REMOVED)
    movable_ext4.expect_file()


@pytest.mark.scenario(54, "page cache with buffers that nobody uses", control=True)
def test_page_cache_with_buffers_leaves(movable_memory, movable_ext4):
    movable_ext4.write_file(movable_memory)
    movable_memory.unplug().expect(REMOVED)
    movable_ext4.expect_file()


@pytest.mark.scenario(55, "hugetlb without a page elsewhere, nothing pinned: reported only")
def test_hugetlb_pages_that_have_nowhere_to_go(movable_memory, huge_pages, record):
    huge_pages(0, 0)
    huge_pages(1, 2)
    buffer = movable_memory.map(4 * MIB, "hugetlb2m")
    removal = movable_memory.offline(deadline=5)
    record(str(removal))
    buffer.close()
    huge_pages(1, 0)
    movable_memory.online()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.notices("isolated-after-busy")
@pytest.mark.scenario(56, "pages of the kernel in ZONE_NORMAL: refused, the page named")
def test_pages_of_the_kernel_do_not_leave(normal_memory, kernel_pages):
    kernel_pages.take_from(normal_memory)
    removal = normal_memory.offline()
    removal.expect(REFUSED)
    removal.expect_page_named()


@pytest.mark.scenario(56, "the memory is movable", control=True)
def test_the_kernel_puts_none_of_its_pages_in_movable_memory(movable_memory, kernel_pages):
    kernel_pages.take_on(movable_memory.node)
    assert kernel_pages.count_in(movable_memory) == 0
    movable_memory.unplug().expect(REMOVED)
