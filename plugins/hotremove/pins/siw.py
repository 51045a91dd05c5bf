# SPDX-License-Identifier: Apache-2.0
"""Pins by memory regions of a siw device: RDMA over TCP, by another driver than rxe."""

from __future__ import annotations

from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin

DEVICE = "siw0"
_CAPABILITY = find("siw pins")
_SET_UP = (
    "modprobe -q siw; ip link add siw type dummy && ip addr add 192.0.2.2/24 dev siw && "
    f"ip link set siw up && rdma_link {DEVICE} siw siw"
)


class Siw(PinPath):
    """The guest's siw device; up to 6.8 it pins by a function of its own."""

    capabilities = (_CAPABILITY,)
    without = ("siw", "rdma")

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Make the device if it is not there.

        Raises:
            CapabilityAbsent: the kernel was built without siw or what it needs.
            Blocked: there is no device, though it may have been built with it.
        """
        super().__init__(guest, find_kmod)
        made = guest.control.run(f"test -e /sys/class/infiniband/{DEVICE} || {{ {_SET_UP}; }}")
        if not made.ok:
            raise refusal(guest, _CAPABILITY, f"no siw device: {made.complaint}")

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Register the buffer as memory regions of `batch` bytes each, by default as one.

        Raises:
            PinRefused: ibv_reg_mr's errno.
        """
        return take_pin(buffer, "rdma", "siw memory region", device=DEVICE, batch=batch)
