# SPDX-License-Identifier: Apache-2.0
"""Pins by AF_XDP sockets: the buffers (umem) that packets are sent from and received into."""

from __future__ import annotations

from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin


class Xdp(PinPath):
    """Packet buffers of AF_XDP sockets, whose packets go over a pair of veth devices.

    The kernel pins the buffers with FOLL_LONGTERM (net/xdp/xdp_umem.c, xdp_umem_pin_pages()), and
    lets them go soon after the socket is closed, in a worker.
    """

    capabilities = (find("AF_XDP pins"),)

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Load the network devices' driver, where that is a module.

        Raises:
            CapabilityAbsent: the kernel was built without CONFIG_XDP_SOCKETS or veth.
            Blocked: its files lack the module.
        """
        super().__init__(guest, find_kmod)
        guest.control.run("modprobe -q veth")

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Register the buffer with one socket, or with one for each `batch` bytes.

        Raises:
            PinRefused: XDP_UMEM_REG's errno.
        """
        return take_pin(buffer, "xdp", "AF_XDP umem", batch=batch)
