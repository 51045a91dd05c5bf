# SPDX-License-Identifier: Apache-2.0
"""A request that never reaches the kernel says nothing of the kernel."""

import pytest

from hotremove.errors import GuestLost
from hotremove.scenario import REMOVED

pytestmark = [pytest.mark.live, pytest.mark.hotremove]

# QEMU tells of DIMMs by general-purpose event 3 (its docs/specs/acpi_mem_hotplug).
MASK = "echo mask >/sys/firmware/acpi/interrupts/gpe03"
# The driver leaves; memory that it has plugged stays.
UNBIND = "cd /sys/bus/virtio/drivers/virtio_mem && echo virtio* >unbind"


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


@pytest.mark.topology("virtio-mem")
def test_a_request_that_no_driver_hears_of_is_lost_and_not_stuck(virtio_mem):
    virtio_mem.guest.control.check(UNBIND)
    with pytest.raises(GuestLost, match="driver has not heard of it"):
        virtio_mem.unplug(deadline=3)
    assert virtio_mem.removals == []
