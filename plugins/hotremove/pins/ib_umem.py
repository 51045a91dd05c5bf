# SPDX-License-Identifier: Apache-2.0
"""Pins by ib_umem_get() as drivers of RDMA devices call it, through the module pin_rdma."""

from __future__ import annotations

from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import Capability, find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.rdma import Rdma
from hotremove.pins.take import take_pin

_OF_THE_MODULE = (find("modules of the farm"), find("ib_umem pins"))


class IbUmem(PinPath):
    """The device /dev/pin_rdma of kmods/pin_rdma: ib_umem_get() for the guest's RDMA device."""

    capabilities = (*Rdma.capabilities, *_OF_THE_MODULE)
    kmod = "pin_rdma"
    without = ("rdma",)

    def __init__(
        self, guest: Guest, find_kmod: FindKmod = no_kmods, rdma: Rdma | None = None
    ) -> None:
        """Load the module, to pin for the device of `rdma`; by default as `Rdma` makes it."""
        self._device = (rdma or Rdma(guest)).device
        super().__init__(guest, find_kmod)

    @classmethod
    def needs(cls, guest: Guest) -> tuple[Capability, ...]:
        """What the RDMA device needs, and the module."""
        return (*Rdma.needs(guest), *_OF_THE_MODULE)

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Pin through ib_umem_get, `batch` bytes a call.

        Raises:
            PinRefused: its errno.
        """
        return take_pin(buffer, "ib_umem", "ib_umem", device=self._device, batch=batch)
