# SPDX-License-Identifier: Apache-2.0
"""A request that never reaches the kernel says nothing of the kernel."""

import pytest

from hotremove.errors import GuestLost
from hotremove.scenario import REMOVED

pytestmark = [pytest.mark.live, pytest.mark.hotremove]

# QEMU tells of DIMMs by general-purpose event 3 (its docs/specs/acpi_mem_hotplug).
MASK = "echo mask >/sys/firmware/acpi/interrupts/gpe03"


def test_an_eject_that_the_kernel_does_not_hear_of_is_lost_and_not_stuck(movable_dimm):
    movable_dimm.guest.control.check(MASK)
    with pytest.raises(GuestLost, match="has not begun to offline it"):
        movable_dimm.eject(deadline=3)
    assert movable_dimm.removals == []


def test_blocks_that_were_offline_before_do_not_make_it_stuck(movable_dimm):
    movable_dimm.offline_in_part(blocks=1).expect(REMOVED)
    movable_dimm.guest.control.check(MASK)
    with pytest.raises(GuestLost, match="has not begun to offline it"):
        movable_dimm.eject(deadline=3)
