# SPDX-License-Identifier: Apache-2.0
"""Pins by the modules of kmods/, which call the kernel's own entry points as drivers do."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

from hotremove.errors import Blocked, CapabilityAbsent, NotApplicable
from hotremove.guest.capability import refusal
from hotremove.guest.longterm import migrates_pins
from hotremove.guest.machine import Guest
from hotremove.pins.buffer import Buffer, PinRefused
from hotremove.pins.path import PinPath
from hotremove.pins.pin import Pin
from hotremove.pins.rdma import Rdma

# Names the mediated device; any UUID will do in a guest of its own.
_UUID = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
_MDEV_TYPE = "/sys/devices/pin_vfio/mdev_supported_types/pin_vfio-pin"


class PinHold(PinPath):
    """The device /dev/pin_hold of kmods/pin_hold."""

    def __init__(self, guest: Guest, module: Path) -> None:
        """Load `module`, a file of the host.

        Raises:
            Blocked: the kernel does not take it.
        """
        load_module(guest, module)

    def pin(
        self,
        buffer: Buffer,
        batch: int | None = None,
        entry: str = "fast",
        write: bool | None = None,
    ) -> Pin:
        """Pin through pin_user_pages_fast (or another `entry`), `batch` bytes a call.

        `write` overrides what the buffer was mapped for.

        Raises:
            PinRefused: the entry point's errno.
            CapabilityAbsent: the kernel has no such entry point for long-term pins.
        """
        keys: dict[str, Any] = {"batch": batch, "entry": entry}
        keys["write"] = None if write is None else int(write)
        try:
            return buffer.pin("kmod", "pin_hold pin", **keys)
        except PinRefused as refusal:
            if refusal.errno == errno.EOPNOTSUPP:
                raise CapabilityAbsent(
                    f"the kernel takes no long-term pins by the entry `{entry}` of pin_hold"
                ) from refusal
            raise


class IbUmem(PinPath):
    """The device /dev/pin_rdma of kmods/pin_rdma: ib_umem_get() for the guest's RDMA device."""

    def __init__(self, rdma: Rdma, module: Path) -> None:
        """Load `module`, a file of the host.

        Raises:
            Blocked: the kernel does not take it.
        """
        load_module(rdma.guest, module)
        self._device = rdma.device

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Pin through ib_umem_get, `batch` bytes a call.

        Raises:
            PinRefused: its errno.
        """
        return buffer.pin("ib_umem", "ib_umem", device=self._device, batch=batch)


class Mdev(PinPath):
    """A vfio device without hardware, of kmods/pin_vfio, which pins by vfio_pin_pages().

    Attributes:
        name: the device's name for vfio.
        group: its IOMMU group.
    """

    def __init__(self, guest: Guest, module: Path) -> None:
        """Load `module`, a file of the host, and make the device where that takes a request.

        Raises:
            Blocked: the kernel does not take it, or makes no device.
            CapabilityAbsent: the kernel was built without vfio.
        """
        guest.control.run("modprobe -q mdev")  # where devices are mediated, the module needs it
        load_module(guest, module)
        mediates = guest.control.run(f"test -e {_MDEV_TYPE}").ok
        make = f"modprobe vfio_mdev; echo {_UUID} >{_MDEV_TYPE}/create && " if mediates else ""
        self.name = _UUID if mediates else "pin_vfio"
        group = f"/sys/bus/*/devices/{self.name}/iommu_group"
        found = guest.control.run(f"{make}test -e {group} && readlink -f {group}")
        if not found.ok:
            told = f"no device {self.name} in an IOMMU group: {found.complaint}"
            raise refusal(guest, "mdev pins", told)
        self.group = int(found.text.rpartition("/")[2])

    def pin(self, buffer: Buffer, batch: int | None = None) -> Pin:
        """Pin through vfio_pin_pages, `batch` bytes a call, at most and by default 2 MiB.

        Raises:
            PinRefused: its errno.
        """
        label = "mediated device's vfio pin"
        return buffer.pin("mdev", label, group=self.group, device=self.name, batch=batch)


def load_module(guest: Guest, module: Path, *parameters: str) -> None:
    """Put a module, a file of the host, into the guest and load it with `name=value` parameters.

    Raises:
        Blocked: the kernel does not take it; the text is the kernel's, or else insmod's.
    """
    guest.control.write(f"/run/{module.name}", module.read_bytes())
    start = guest.evidence.size()
    loaded = guest.control.run(" ".join(("insmod", f"/run/{module.name}", *parameters)))
    if not loaded.ok:
        said = explain_refusal(guest.dmesg(start), module.stem) or loaded.complaint
        raise Blocked(f"the kernel does not take the module {module.stem}: {said}")


def explain_refusal(log: str, name: str) -> str:
    """What the kernel printed of a module that it refused, as one line; empty if nothing.

    insmod gives one text for an unknown symbol and for an ENOENT of the module's own.

    Example:
        >>> explain_refusal("pin_hold: Unknown symbol pin_user_pages (err -2)", "pin_hold")
        'Unknown symbol pin_user_pages (err -2)'
    """
    said = dict.fromkeys(re.findall(rf"\b{name}: (.*)", log))
    return "; ".join(line for line in said if "taint" not in line)


def turn_off(guest: Guest, unfix: Path) -> None:
    """Turn off the migration of long-term pins in the guest (kmods/unfix).

    Raises:
        NotApplicable: the kernel has nothing that could be turned off: it is not fixed.
        Blocked: it is fixed, and the module finds no function that it could probe.
    """
    try:
        load_module(guest, unfix)
    except Blocked as error:
        if migrates_pins(guest.control):
            raise
        told = "the kernel knows no reason `longterm_pin` to migrate: it has no fix to turn off"
        raise NotApplicable(told) from error
