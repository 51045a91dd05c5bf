# SPDX-License-Identifier: Apache-2.0
"""Is what a device wrote to a file still there, once its pages were released and dropped?"""

import pytest

from hotremove.scenario import MIB

pytestmark = pytest.mark.hotremove


@pytest.mark.notices("dirty-lost")
@pytest.mark.scenario(78, "a device writes to a file's pages, which are dropped")
def test_what_a_device_wrote_to_a_file_is_kept(movable_memory, ext4, pin_hold):
    path = ext4.path("data")
    buffer = movable_memory.map(4 * MIB, kind="file", file=path)
    pin_hold.pin(buffer, long_term=False)
    ext4.sync()
    buffer.device_fill(78)
    buffer.close()
    ext4.remount()
    movable_memory.map(4 * MIB, kind="file", file=path, read_only=True).expect_written(78)


@pytest.mark.scenario(78, "the processor writes to them", control=True)
def test_what_the_processor_wrote_to_a_file_is_kept(movable_memory, ext4):
    path = ext4.path("data")
    buffer = movable_memory.map(4 * MIB, kind="file", file=path)
    ext4.sync()
    buffer.fill(78)
    buffer.close()
    ext4.remount()
    movable_memory.map(4 * MIB, kind="file", file=path, read_only=True).expect_written(78)
