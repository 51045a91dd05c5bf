# SPDX-License-Identifier: Apache-2.0
"""Pins by vhost-vdpa: memory that a vDPA device is given by its IOTLB."""

from __future__ import annotations

from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin

_CAPABILITY = find("vhost-vdpa pins")


class VhostVdpa(PinPath):
    """vhost-vdpa with a simulated device, which is made for each pin and sees physical addresses.

    The kernel pins what is put into the IOTLB with FOLL_LONGTERM (drivers/vhost/vdpa.c,
    vhost_vdpa_pa_map()). A device that uses virtual addresses, as the simulator does by default,
    pins nothing.
    """

    capabilities = (_CAPABILITY,)
    without = ("vdpa",)

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Load the drivers.

        Raises:
            CapabilityAbsent: the kernel was built without one of them.
            Blocked: they are not taken, though it may have been built with them.
        """
        super().__init__(guest, find_kmod)
        load = "modprobe vhost_vdpa && modprobe vdpa_sim use_va=0 && modprobe vdpa_sim_net"
        loaded = guest.control.run(f"{load} && test -e /sys/bus/vdpa")
        if not loaded.ok:
            raise refusal(guest, _CAPABILITY, f"no simulated device: {loaded.complaint}")

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Put the buffer into the IOTLB, `batch` bytes a message, by default by one.

        Raises:
            PinRefused: VHOST_IOTLB_UPDATE's errno.
        """
        return take_pin(buffer, "vdpa", "vhost-vdpa mapping", batch=batch)
