# SPDX-License-Identifier: Apache-2.0
"""What the kernel's own tests say of it, in memory that is to leave; and do they and ours agree?"""

import pytest

from hotremove.scenario import PAGE, REMOVED

pytestmark = [pytest.mark.hotremove, pytest.mark.long]


@pytest.mark.scenario(82, "the kernel's own tests pass, and their memory leaves")
@pytest.mark.parametrize("suite", ["gup_longterm", "hugetlb", "mlock"])
def test_the_kernels_own_tests_pass(selftests, movable_memory, suite):
    selftests.run(suite).expect_passed()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(82, "the kernel's own tests of memory hotplug pass, and the memory leaves")
def test_the_kernels_own_tests_of_hotplug_pass(selftests, movable_memory):
    selftests.run("memory-hotplug").expect_passed()
    movable_memory.unplug().expect(REMOVED)


@pytest.mark.scenario(82, "gup_longterm and the farm's own pins are answered alike")
def test_gup_longterm_and_our_pins_are_answered_alike(
    selftests, movable_memory, ext4_with_extents, pin_hold, uring
):
    folder = ext4_with_extents.path("")
    asked = selftests.run("gup_longterm", folder).long_term_pins
    for one in asked:
        buffer = movable_memory.map(PAGE, **one.map_words("/run", folder))
        how = {} if one.by_uring else {"entry": "fast" if one.fast else "locked"}
        one.expect_same((uring if one.by_uring else pin_hold).try_to_pin(buffer, **how))
        buffer.close()
    assert asked
    movable_memory.unplug().expect(REMOVED)
