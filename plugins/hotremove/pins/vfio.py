# SPDX-License-Identifier: Apache-2.0
"""Pins by vfio's type1 IOMMU driver, with an endpoint of the guest behind the virtual IOMMU."""

from __future__ import annotations

from typing import Any

from hotremove.errors import Blocked
from hotremove.guest.capability import refusal
from hotremove.guest.machine import Guest
from hotremove.kernels.capabilities import find
from hotremove.pins.buffer import Buffer
from hotremove.pins.path import FindKmod, PinPath, no_kmods
from hotremove.pins.pin import Pin
from hotremove.pins.take import take_pin

_CAPABILITY = find("vfio pins")


def find_by_ids(vendor: str, device: str) -> str:
    """The command that finds a device of the host in a guest, by a file in its folder."""
    folders = "/sys/bus/pci/devices/*"
    return f"grep -lx {device} $(grep -lx {vendor} {folders}/vendor | sed s/vendor/device/)"


class Vfio(PinPath):
    """An endpoint bound to vfio-pci.

    >>> mapping = vfio.pin(movable_memory.map(128 * MIB))

    Attributes:
        address: the endpoint's PCI address.
        group: its IOMMU group.
        find: the command that finds it in sysfs, by a file in its folder.
        label: what holds the pins, for a reader.
    """

    capabilities = (_CAPABILITY,)
    without = ("vfio",)
    label = "vfio DMA mapping"

    # PCI class 0c0330: an xHCI controller, which the topologies give as endpoints.
    find = "grep -ls 0x0c0330 /sys/bus/pci/devices/*/class"

    def __init__(self, guest: Guest, find_kmod: FindKmod = no_kmods) -> None:
        """Bind the endpoint through driver_override.

        Raises:
            CapabilityAbsent: the kernel was built without vfio or the IOMMU's driver.
            Blocked: vfio does not get the endpoint, or the topology has none.
        """
        super().__init__(guest, find_kmod)
        self.address = self._find()
        self._bind()
        self.group = self._find_group()

    def pin(
        self,
        buffer: Buffer,
        batch: int | None = None,
        offset: int | None = None,
        size: int | None = None,
    ) -> Pin:
        """Map the buffer for DMA, `batch` bytes a call, by default all at once.

        `offset` and `size`, bytes, choose a part of it.

        Raises:
            PinRefused: VFIO_IOMMU_MAP_DMA's errno.
        """
        part = {"offset": offset, "bytes": size, **self.keys()}
        return take_pin(buffer, "vfio", self.label, True, group=self.group, batch=batch, **part)

    def keys(self) -> dict[str, Any]:
        """What else the holder has to know."""
        return {}

    def pinned_bytes(self, buffer: Buffer) -> int:
        """What the kernel accounts to the holder: VmLck, type1's locked_vm, bytes."""
        return buffer.status()["VmLck"]

    def _find(self) -> str:
        given = self.guest.plan.device("vfio")
        find = find_by_ids(*given.ids) if given and self.find == Vfio.find else self.find
        found = self.guest.control.run(find).text.split()
        if not found:
            name = self.guest.plan.topology.name
            raise Blocked(f"topology {name} has no endpoint for vfio: choose one that has")
        return found[0].split("/")[-2]

    def _find_group(self) -> int:
        """The group; on arm64 a device has none until a driver was looked for (6.12)."""
        link = f"readlink /sys/bus/pci/devices/{self.address}/iommu_group"
        found = self.guest.control.run(link)
        if not found.ok:
            raise refusal(self.guest, _CAPABILITY, f"{self.address} is in no IOMMU group")
        return int(found.text.strip().rpartition("/")[2])

    def _bind(self) -> None:
        device = f"/sys/bus/pci/devices/{self.address}"
        bound = self.guest.control.run(
            f"echo vfio-pci >{device}/driver_override && "
            f"{{ ! test -e {device}/driver || readlink {device}/driver | grep -q vfio-pci || "
            f"echo {self.address} >{device}/driver/unbind; }} && "
            f"{{ test -e {device}/driver || echo {self.address} >/sys/bus/pci/drivers_probe; }} && "
            f"test -e /dev/vfio/$(basename $(readlink {device}/iommu_group))"
        )
        if not bound.ok:
            told = (
                f"vfio-pci does not take {self.address}: {bound.complaint or 'it does not say why'}"
            )
            raise refusal(self.guest, _CAPABILITY, told)
