# SPDX-License-Identifier: Apache-2.0
"""Gigabytes pinned at once: does it take time in step with their size, and do others go on?"""

import pytest

from hotremove.scenario import GIB, MIB, REMOVED

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.topology("gigabytes"),
    pytest.mark.memory(18944),
    pytest.mark.pins("pin_hold", "vfio"),
]


@pytest.mark.notices("no-migration")
@pytest.mark.scenario(75, "gigabytes pinned at once: in step with their size, and others go on")
def test_gigabytes_are_pinned_in_step(
    movable_memory, pinner, pin_room, short_io, map_on_node, record
):
    map_on_node(0, pin_room, kind="thp").close()  # so that the host has given it
    short_io.begin(map_on_node(0, 4 * MIB, kind="shmem"), "process")
    buffer = movable_memory.map(pin_room // 8, kind="thp")
    few = pinner.pin(buffer)
    buffer.close()
    many = pinner.pin(movable_memory.map(pin_room, kind="thp"))
    others = short_io.end()
    seconds = few.seconds / few.size, many.seconds / many.size
    record(
        f"{few.size / GIB:g} GiB {few.seconds:.1f} s, {many.size / GIB:g} GiB {many.seconds:.1f} s"
    )
    record(f"others meanwhile: {others}")
    movable_memory.unplug().expect(REMOVED)
    many.expect_migrated_from(movable_memory.frames)
    assert seconds[1] < 3 * seconds[0]
    assert others.longest < 5


@pytest.mark.scenario(75, "gigabytes outside ZONE_MOVABLE, pinned at once", control=True)
def test_gigabytes_elsewhere_are_pinned_in_step(movable_memory, pinner, pin_room, map_on_node):
    pin = pinner.pin(map_on_node(0, pin_room, kind="thp"))
    movable_memory.unplug().expect(REMOVED)
    pin.expect_unmoved()
