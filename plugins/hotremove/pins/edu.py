# SPDX-License-Identifier: Apache-2.0
"""vfio pins with a device behind them that moves data: QEMU's edu, through the virtual IOMMU."""

from __future__ import annotations

from random import Random
from typing import Any

from hotremove.errors import Blocked
from hotremove.guest.machine import Guest
from hotremove.pins.path import FindKmod, no_kmods
from hotremove.pins.traffic import Range, scattered
from hotremove.pins.vfio import Vfio

# What the device copies at once, bytes, in 0.2 s whatever the size (guests/workloads/edu.h).
_AT_ONCE = 2048
_PLACES = 3


class Edu(Vfio):
    """The edu device bound to vfio-pci."""

    label = "vfio DMA mapping of an edu device"
    find = "grep -ls 0x11e8 /sys/bus/pci/devices/*/device"

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Have the device's registers placed anew, then bind it; see `Vfio`.

        QEMU saves nothing of this device, so that a restored guest's has no addresses any more;
        the kernel gives it some when it finds it again.

        Raises:
            Blocked: the topology has no such device.
            CapabilityAbsent: as `Vfio`.
        """
        if not guest.plan.topology.edu:
            name = guest.plan.topology.name
            raise Blocked(f"topology {name} has no edu device: choose one that has")
        guest.control.check(
            f"for d in $({self.find}); do echo 1 >${{d%/device}}/remove; done; "
            "echo 1 >/sys/bus/pci/rescan"
        )
        super().__init__(guest, find_kmod)

    def keys(self) -> dict[str, Any]:
        """The device that is to use the mapping."""
        return {"device": self.address}

    def dma_ranges(self, size: int, rng: Random) -> tuple[Range, ...]:
        """What the device moves of `size` bytes: a few places, for it is slow, both ends too."""
        return scattered(size, _AT_ONCE, _PLACES, rng)
