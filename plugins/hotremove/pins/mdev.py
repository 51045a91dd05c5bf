# SPDX-License-Identifier: Apache-2.0
"""Pins by vfio_pin_pages() as drivers of mediated devices call it, through the module pin_vfio."""

from __future__ import annotations

from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin

_CAPABILITY = find("mdev pins")
# Names the mediated device; any UUID will do in a guest of its own.
_UUID = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
_MDEV_TYPE = "/sys/devices/pin_vfio/mdev_supported_types/pin_vfio-pin"


class Mdev(PinPath):
    """A vfio device without hardware, of kmods/pin_vfio, which pins by vfio_pin_pages().

    Attributes:
        name: the device's name for vfio.
        group: its IOMMU group.
    """

    capabilities = (find("modules of the farm"), _CAPABILITY)
    kmod = "pin_vfio"

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Load the module, and make the device where that takes a request.

        Raises:
            Blocked: the kernel does not take it, or makes no device.
            CapabilityAbsent: the kernel was built without vfio.
        """
        guest.control.run("modprobe -q mdev")  # where devices are mediated, the module needs it
        super().__init__(guest, find_kmod)
        mediates = guest.control.run(f"test -e {_MDEV_TYPE}").ok
        make = f"modprobe vfio_mdev; echo {_UUID} >{_MDEV_TYPE}/create && " if mediates else ""
        self.name = _UUID if mediates else "pin_vfio"
        group = f"/sys/bus/*/devices/{self.name}/iommu_group"
        found = guest.control.run(f"{make}test -e {group} && readlink -f {group}")
        if not found.ok:
            told = f"no device {self.name} in an IOMMU group: {found.complaint}"
            raise refusal(guest, _CAPABILITY, told)
        self.group = int(found.text.rpartition("/")[2])

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Pin through vfio_pin_pages, `batch` bytes a call, at most and by default 2 MiB.

        Raises:
            PinRefused: its errno.
        """
        label = "mediated device's vfio pin"
        return take_pin(buffer, "mdev", label, group=self.group, device=self.name, batch=batch)
