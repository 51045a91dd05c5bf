# SPDX-License-Identifier: Apache-2.0
"""Who pins for a device pins for the one that the guest was given, whatever it is called."""

import pytest

from hotremove.pins.ib_umem import IbUmem
from hotremove.scenario import MIB

pytestmark = [pytest.mark.live, pytest.mark.hotremove]

# A device of another name is all there is, as where the host's driver names it.
ANOTHER = "modprobe -r rdma_rxe && modprobe rdma_rxe && rdma_link roce0 rxe rdma0"


def test_umem_pins_for_the_device_that_was_given(rdma, farm, kernel, map_on_node):
    rdma.guest.control.check(ANOTHER)
    rdma.device = "roce0"
    ib_umem = IbUmem(rdma.guest, farm.kmods(kernel).find, rdma)
    assert ib_umem.pin(map_on_node(0, 4 * MIB)).size == 4 * MIB
