# SPDX-License-Identifier: Apache-2.0
"""Pins by iommufd: what is mapped for a device, and what a driver asks for of it."""

from __future__ import annotations

from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import Capability, find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin
from hotremove.pins.vfio import Vfio

_MAPPED, _ACCESSED = find("iommufd pins"), find("iommufd access")


def _find_device(guest: Guest, name: str, capability: Capability) -> str:
    """The file by which iommufd takes a device of vfio from whoever has bound it there."""
    found = guest.control.run(f"ls /sys/bus/*/devices/{name}/vfio-dev")
    if not found.ok:
        told = f"vfio has no character device of {name}: {found.complaint}"
        raise refusal(guest, capability, told)
    return f"/dev/vfio/devices/{found.text.strip()}"


class Iommufd(PinPath):
    """An address space of /dev/iommu with an endpoint of the guest in it.

    What is mapped there is pinned with FOLL_LONGTERM at once, for the endpoint could use it
    (drivers/iommu/iommufd/pages.c, pfn_reader_user_pin()).

    Attributes:
        device: the endpoint's file.
    """

    capabilities = (_MAPPED,)

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Bind the endpoint to vfio-pci.

        Raises:
            CapabilityAbsent: the kernel was built without iommufd or vfio's character devices.
            Blocked: vfio does not get the endpoint, or the topology has none.
        """
        super().__init__(guest, find_kmod)
        self.device = _find_device(guest, Vfio(guest, find_kmod).address, _MAPPED)

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Map the buffer, `batch` bytes a call, by default all at once.

        Raises:
            PinRefused: IOMMU_IOAS_MAP's errno.
        """
        return take_pin(buffer, "iommufd", "iommufd mapping", device=self.device, batch=batch)


class IommufdAccess(PinPath):
    """The device without hardware of kmods/pin_vfio, in an address space of /dev/iommu.

    Nothing is pinned until its driver asks for it: vfio_pin_pages() ends in
    iommufd_access_pin_pages() (drivers/vfio/vfio_main.c).

    Attributes:
        device: its file.
    """

    capabilities = (find("modules of the farm"), _ACCESSED)
    kmod = "pin_vfio"
    without = ("iommufd",)

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Load the module.

        Raises:
            CapabilityAbsent: the kernel was built without iommufd or vfio's character devices.
            Blocked: the kernel does not take it.
        """
        guest.control.run("modprobe -q mdev")
        super().__init__(guest, find_kmod)
        self.device = _find_device(guest, "pin_vfio", _ACCESSED)

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Pin through vfio_pin_pages, `batch` bytes a call, at most and by default 2 MiB.

        Raises:
            PinRefused: its errno.
        """
        return take_pin(buffer, "access", "iommufd access", device=self.device, batch=batch)
